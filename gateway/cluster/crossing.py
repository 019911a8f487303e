"""Crossing: the lanes from this node to all others, what arrives from them, and questions between nodes.

A stanza that crosses is taken over by the other node like one from a stream: its acknowledgement comes when the stanza
was routed there, is safe where it has to be kept, and there is room for more. Until then it is ours. If the other
process is gone before that, its lane ends, and what was not acknowledged goes back to the route that sent it.

A node that no longer holds its lease takes nothing over: what waited in its socket while it slept has gone elsewhere.

What is sent to a lane within one turn of the event loop goes in one batch, as far as it fits: a frame costs as much as
many stanzas.

Frames can get lost when the engine restarts. A lane that gets no answer sends its first unacknowledged batch again; the
receiver says what it has, and the rest follows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, Protocol

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.cluster.directory import ClusterDirectory
from gateway.cluster.frames import HEAD_BYTES, AddressReader, Frame, FrameError, FrameKind, in_batches, read_frame
from gateway.cluster.interfaces import ICluster
from gateway.cluster.lanes import MOST_GATHERED, WINDOW_STANZAS, Arrival, Intake, LaneSender, Numbered
from gateway.timing.timers import Timer
from gateway.timing.waiters import Waiters
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import GatewayError
from gateway.xmpp.stanzas import AddressedStanza

RESEND_SECONDS = 2.0
ASK_SECONDS = 5.0
MOST_QUESTIONS = 10_000
"""The most questions of this node that wait for an answer of another one; further ones fail."""

Batch = Sequence[AddressedStanza]
LaneKey = tuple[str, str, int]  # of the sender: node, process, number of the lane


class CrossingOwner(Protocol):
    """The part of a gateway that takes over what arrives."""

    def stanzas_arrived(self, node: str, stanzas: Batch) -> Deferred[None] | None:
        """Take over stanzas that another node has admitted; the Deferred fires when they are safe and there is room."""

    def cannot_cross(self, stanza: AddressedStanza) -> None:
        """End a stanza that is too long for the engine."""

    def question_arrived(self, node: str, content: Mapping[str, Any]) -> Any:
        """Answer a question of another node with a mapping for JSON, or a Deferred of one."""


class NotAnswered(GatewayError):
    """Another node did not answer in time, or could not."""


class OpenLane:
    """A lane to one process of another node; a Channel for an outflow."""

    def __init__(
        self, crossing: Crossings, node: str, process: str, number: int, ended: Callable[[list[AddressedStanza]], None]
    ) -> None:
        self.node: str = node
        self.process: str = process
        self.number: int = number
        self.sent = 0
        self._crossing = crossing
        self._lane: LaneSender[Batch] = LaneSender()
        self._gathered: list[AddressedStanza] = []  # in this turn
        self._gathered_bytes = 0
        self._next: deque[Batch] = deque()
        self._ended: Callable[[list[AddressedStanza]], None] | None = ended
        self._waits = Waiters()
        self._settled: deque[tuple[int, Callable[[], None]]] = deque()
        self._heard_at = crossing.clock.seconds()
        self._is_probing = False

    # -- as a Channel ------------------------------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """As `Channel.has_room`."""
        if self._next or self._gathered_bytes >= MOST_GATHERED:
            return False
        return self._lane.stanzas + len(self._gathered) < WINDOW_STANZAS and self._lane.has_room_for(1)

    def send(self, batch: Batch) -> None:
        """As `Channel.send`."""
        self.sent += len(batch)
        if not self._gathered:
            self._crossing.clock.callLater(0, self._turn_ended)
        self._gathered += batch
        self._gathered_bytes += sum([len(stanza.raw) for stanza in batch])

    def room(self) -> Deferred[None] | None:
        """As `Channel.room`."""
        return None if self.has_room or self._ended is None else self._waits.wait()

    # -- the rest ----------------------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Return how many stanzas were given to the lane and are not acknowledged."""
        return self._lane.stanzas + sum(map(len, self._next)) + len(self._gathered)

    def when_taken(self, call: Callable[[], None]) -> None:
        """Call when everything that was given to the lane so far has been taken over; never, if the lane ends first."""
        self._divide()
        last = self._lane.sent + len(self._next)
        if self.waiting:
            self._settled.append((last, call))
        else:
            self._crossing.clock.callLater(0, call)

    def end(self) -> None:
        """Give the lane up; what was not acknowledged goes back to its owner."""
        ended, self._ended = self._ended, None
        if ended is None:
            return
        self._crossing.forget(self)
        self._divide()
        left = [stanza for each in self._lane.in_flight for stanza in each.batch]
        left += [stanza for batch in self._next for stanza in batch]
        self._next.clear()
        ended(left)
        self._waits.release()

    def taken(self, upto: int) -> None:
        """Note an acknowledgement."""
        progress = self._lane.acknowledged(upto)
        self._heard_at = self._crossing.clock.seconds()
        if not progress:
            return
        if self._is_probing:
            self.send_again()
        self._send_next()
        acknowledged = self._lane.sent - len(self._lane.in_flight)
        while self._settled and self._settled[0][0] <= acknowledged:
            self._settled.popleft()[1]()
        if self.has_room:
            self._waits.release()

    def needed(self, number: int) -> None:
        """Send again from this number on."""
        self.taken(number - 1)
        self.send_again()

    def send_again(self) -> None:
        """Send everything that is in flight again."""
        self._is_probing = False
        self._heard_at = self._crossing.clock.seconds()
        for each in self._lane.in_flight:
            self._write(each)

    def look(self, now: float) -> None:
        """Send the first batch again if nothing was heard for too long."""
        in_flight = self._lane.in_flight
        if in_flight and now - self._heard_at >= RESEND_SECONDS:
            self._heard_at = now
            self._is_probing = True
            self._write(in_flight[0])

    def _turn_ended(self) -> None:
        self._divide()
        if self._ended is not None:
            self._send_next()
            if self.has_room:
                self._waits.release()

    def _divide(self) -> None:
        """Divide what was gathered into batches."""
        gathered, self._gathered = self._gathered, []
        self._gathered_bytes = 0
        for each in in_batches(gathered):
            if len(each) > 1 or self._crossing.carries(each[0]):
                self._next.append(each)
            else:
                self._crossing.refuse(each[0])

    def _send_next(self) -> None:
        while self._next and self._lane.has_room_for(len(self._next[0])):
            if not self._lane.in_flight:
                self._heard_at = self._crossing.clock.seconds()
            self._write(self._lane.send(self._next.popleft()))

    def _write(self, each: Numbered[Batch]) -> None:
        self._crossing.send(
            self.node, FrameKind.BATCH, self.process, lane=self.number, number=each.number, stanzas=each.batch
        )


class Crossings:
    """All lanes of this node, in both directions."""

    _log = Logger()

    def __init__(
        self,
        name: str,
        process: str,
        engine: ICluster,
        directory: ClusterDirectory,
        clock: IReactorTime,
        owner: CrossingOwner,
        is_member: Callable[[], bool],
        address: AddressReader = Address.parse,
    ) -> None:
        """`is_member` returns whether this node holds its lease; without it, nothing is taken over."""
        self.clock = clock
        self.counts = {"sent": 0, "received": 0, "sent_again": 0, "returned": 0, "unreadable": 0}
        self._name = name
        self._process = process
        self._engine = engine
        self._directory = directory
        self._owner = owner
        self._is_member = is_member
        self._address = address
        self._numbers = count(1)
        self._lanes: dict[int, OpenLane] = {}
        self._intake: Intake[LaneKey] = Intake()
        self._timer = Timer(clock)
        self._questions: dict[int, tuple[str, Deferred[Mapping[str, Any]]]] = {}

    # -- outwards ----------------------------------------------------------------------------------------------------

    def open(self, node: str, ended: Callable[[list[AddressedStanza]], None]) -> OpenLane | None:
        """Return a new lane to a live node, None if it is not live; `ended` gets back what was not acknowledged."""
        known = self._directory.nodes.get(node)
        if known is None or not known.is_live:
            return None
        lane = OpenLane(self, node, known.record.process, next(self._numbers), ended)
        self._lanes[lane.number] = lane
        if not self._timer.is_running:
            self._timer.start(RESEND_SECONDS / 2, self._look)
        return lane

    def forget(self, lane: OpenLane) -> None:
        """Note that a lane was given up."""
        if self._lanes.pop(lane.number, None) is not None:
            self.counts["returned"] += lane.waiting
            self.send(lane.node, FrameKind.ENDED, lane.process, lane=lane.number)

    def carries(self, stanza: AddressedStanza) -> bool:
        """Return whether a frame with this stanza alone is short enough for the engine."""
        most: int = self._engine.most_bytes
        return len(stanza.raw) + HEAD_BYTES <= most

    def refuse(self, stanza: AddressedStanza) -> None:
        """Have the owner end a stanza that cannot cross, once the caller is done."""
        self.clock.callLater(0, self._owner.cannot_cross, stanza)

    @property
    def waiting(self) -> dict[str, int]:
        """Return how many stanzas are under way to each node."""
        found: dict[str, int] = {}
        for lane in self._lanes.values():
            if waiting := lane.waiting:
                found[lane.node] = found.get(lane.node, 0) + waiting
        return found

    def send(
        self,
        node: str,
        kind: FrameKind,
        to_process: str,
        *,
        lane: int = 0,
        number: int = 0,
        stanzas: Batch = (),
        content: Mapping[str, Any] | None = None,
    ) -> None:
        """Send a frame to a process of another node; raise FrameError if `content` is too long for the engine."""
        frame = Frame(
            kind=kind,
            node=self._name,
            process=self._process,
            to_process=to_process,
            lane=lane,
            number=number,
            stanzas=stanzas,
            content=content or {},
        )
        data = frame.to_bytes()
        if content and len(data) > self._engine.most_bytes:
            raise FrameError(
                f"{len(data)} bytes cannot be sent at once to node {node}, which is too much for the engine"
            )
        self.counts["sent"] += len(stanzas)
        self._engine.send(node, data)

    def ask(self, node: str, content: Mapping[str, Any], seconds: float = ASK_SECONDS) -> Deferred[Mapping[str, Any]]:
        """Ask another node a question; return its answer, or fail with NotAnswered."""
        known = self._directory.nodes.get(node)
        if known is None or not known.is_live or not self._engine.is_connected:
            return fail(NotAnswered(f"node {node} cannot be reached at the moment"))
        if len(self._questions) >= MOST_QUESTIONS:
            return fail(NotAnswered("too many questions to other nodes wait for an answer"))
        number = next(self._numbers)
        answer: Deferred[Mapping[str, Any]] = Deferred()
        self._questions[number] = (node, answer)
        answer.addTimeout(seconds, self.clock, lambda failure, _: self._too_late(node))
        answer.addBoth(lambda result: (self._questions.pop(number, None), result)[1])
        try:
            self.send(node, FrameKind.ASK, known.record.process, number=number, content=content)
        except FrameError as error:
            answer.errback(NotAnswered(str(error)))
        return answer

    def _too_late(self, node: str) -> Any:
        return Failure(NotAnswered(f"node {node} did not answer in time"))

    # -- what happens ------------------------------------------------------------------------------------------------

    def engine_came(self) -> None:
        """Send again what may have been lost while the engine was away."""
        for lane in [*self._lanes.values()]:
            self.counts["sent_again"] += lane.waiting
            lane.send_again()

    def nodes_changed(self) -> None:
        """End the lanes to processes that are gone, and forget those of processes that will not come back."""
        for lane in [*self._lanes.values()]:
            if not self._directory.is_live(lane.node, lane.process):
                lane.end()
        for key in self._intake.lanes():
            node, process, _ = key
            known = self._directory.nodes.get(node)
            if known is None or known.record.process != process:
                self._intake.forget(key)

    def close(self) -> None:
        """End all lanes and questions."""
        self._timer.stop()
        for lane in [*self._lanes.values()]:
            lane.end()
        for _, answer in [*self._questions.values()]:
            answer.errback(NotAnswered("this node is stopping"))

    def _look(self) -> None:
        now = self.clock.seconds()
        for lane in [*self._lanes.values()]:
            lane.look(now)
        if self._lanes:
            self._timer.start(RESEND_SECONDS / 2, self._look)

    # -- inwards -----------------------------------------------------------------------------------------------------

    def frame_arrived(self, data: bytes) -> None:
        """Take in what another node has sent."""
        try:
            frame = read_frame(data, self._address)
        except FrameError as error:
            self.counts["unreadable"] += 1
            self._log.warn("{error}; do all nodes run versions that fit together?", error=error)
            return
        if frame.to_process != self._process:
            if frame.kind is FrameKind.BATCH:
                self.send(frame.node, FrameKind.UNKNOWN, frame.process, lane=frame.lane)
            return
        match frame.kind:
            case FrameKind.BATCH:
                self._batch_arrived(frame)
            case FrameKind.ENDED:
                self._intake.forget((frame.node, frame.process, frame.lane))
            case FrameKind.ASK:
                self._question_arrived(frame)
            case FrameKind.ANSWER:
                self._answer_arrived(frame)
            case _:
                self._lane_told(frame)

    def _lane_told(self, frame: Frame) -> None:
        lane = self._lanes.get(frame.lane)
        if lane is None or lane.node != frame.node:
            return
        if frame.kind is FrameKind.UNKNOWN:
            lane.end()
        elif frame.kind is FrameKind.NEEDS:
            lane.needed(frame.number)
        else:
            lane.taken(frame.number)

    def _batch_arrived(self, frame: Frame) -> None:
        key: LaneKey = (frame.node, frame.process, frame.lane)
        if not self._is_member():
            return  # this process has slept or was cut off, and another may have its stanzas by now
        if not self._intake.has_room_for(key):
            return  # it is sent again until there is room
        reception = self._intake.receive(key, frame.number)
        if reception is Arrival.GAP:
            if (number := self._intake.asks_for(key)) is not None:
                self.send(frame.node, FrameKind.NEEDS, frame.process, lane=frame.lane, number=number)
        elif reception is Arrival.AGAIN:
            self._acknowledge(frame, self._intake.complete(key))
        else:
            self.counts["received"] += len(frame.stanzas)
            try:
                wait = self._owner.stanzas_arrived(frame.node, frame.stanzas)
            except Exception:  # if it were never acknowledged, everything behind it would wait for ever
                self._log.failure("stanzas from node {node} could not be taken over", node=frame.node)
                wait = None
            if wait is None:
                self._taken_over(frame)
            else:
                wait.addBoth(lambda _: self._taken_over(frame))

    def _taken_over(self, frame: Frame) -> None:
        self._acknowledge(frame, self._intake.done((frame.node, frame.process, frame.lane), frame.number))

    def _acknowledge(self, frame: Frame, upto: int) -> None:
        self.send(frame.node, FrameKind.TAKEN, frame.process, lane=frame.lane, number=upto)

    def _question_arrived(self, frame: Frame) -> None:
        def answer(content: Mapping[str, Any]) -> None:
            self.send(frame.node, FrameKind.ANSWER, frame.process, number=frame.number, content=content)

        def failed(failure: Failure) -> None:
            if not failure.check(GatewayError):
                self._log.failure("a question of node {node} could not be answered", failure, node=frame.node)
            problem = failure.getErrorMessage() if failure.check(GatewayError) else "its log has the reason"
            answer({"problem": problem})

        maybeDeferred(self._owner.question_arrived, frame.node, frame.content).addCallback(answer).addErrback(failed)

    def _answer_arrived(self, frame: Frame) -> None:
        node, answer = self._questions.get(frame.number, ("", None))
        if answer is None or node != frame.node or answer.called:
            return
        if problem := frame.content.get("problem"):
            answer.errback(NotAnswered(f"node {node}: {problem}"))
        else:
            answer.callback(frame.content)
