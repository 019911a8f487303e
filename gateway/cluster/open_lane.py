"""OpenLane: an open lane to one process of another node, as a Channel for an outflow.

What is sent to it within one turn of the event loop goes in one batch, as far as it fits: a frame costs as much as many
stanzas. A lane that gets no answer sends its first unacknowledged batch again, because frames can get lost when the
engine restarts; the receiver says what it has, and the rest follows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from gateway.cluster.frames import FrameKind, in_batches
from gateway.cluster.lanes import MOST_GATHERED, WINDOW_STANZAS, LaneSender, Numbered
from gateway.timing.waiters import Waiters
from gateway.xmpp.stanzas import AddressedStanza

RESEND_SECONDS = 2.0

Batch = Sequence[AddressedStanza]


class LaneCarrier(Protocol):
    """The part of a node that sends what its lanes have."""

    clock: IReactorTime

    def carries(self, stanza: AddressedStanza) -> bool:
        """Return whether a frame with this stanza alone is short enough for the engine."""

    def refuse(self, stanza: AddressedStanza) -> None:
        """End a stanza that cannot cross, once the caller is done."""

    def send(
        self, node: str, kind: FrameKind, to_process: str, *, lane: int = 0, number: int = 0, stanzas: Batch = ()
    ) -> None:
        """Send a frame to a process of another node."""

    def forget(self, lane: OpenLane) -> None:
        """Note that a lane was given up."""


class OpenLane:
    """A lane to one process of another node."""

    def __init__(
        self,
        crossing: LaneCarrier,
        node: str,
        process: str,
        number: int,
        ended: Callable[[list[AddressedStanza]], None],
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
        """Send again from this number on; give the lane up if the receiver has forgotten what it had taken of it."""
        in_flight = self._lane.in_flight
        if number == 1 and in_flight and in_flight[0].number > 1:
            self.end()
            return
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
