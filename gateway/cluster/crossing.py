"""Crossing: the lanes from this node to all others, what arrives from them, and questions between nodes.

The other node accepts a stanza that crosses like one from a stream: it acknowledges the stanza when it has routed it,
has it on disk if it must be kept, and has room for more. Until then the stanza is ours. If the other
process is gone before that, its lane ends, and what was not acknowledged goes back to the route that sent it.

A node without a valid lease accepts nothing: the stanzas that waited in its socket meanwhile have gone elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import count
from typing import Any, Protocol

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.cluster.directory import ClusterDirectory
from gateway.cluster.frames import HEAD_BYTES, AddressReader, Frame, FrameError, FrameKind, read_frame
from gateway.cluster.interfaces import ICluster
from gateway.cluster.lanes import Arrival, Intake
from gateway.cluster.open_lane import RESEND_SECONDS, Batch, OpenLane
from gateway.timing.timers import Timer
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import GatewayError
from gateway.xmpp.stanzas import AddressedStanza

ASK_SECONDS = 5.0
MOST_QUESTIONS = 10_000
"""The most questions of this node that wait for an answer of another one; further ones fail."""

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
            if known is not None and known.record.process != process:  # one that is out of sight may go on
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
            self._log.warn("{error}; check that all nodes run compatible versions", error=error)
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
                self._log.failure("stanzas from node {node} could not be accepted", node=frame.node)
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
