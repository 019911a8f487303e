"""Outflow: the stanzas on their way to one destination, bounded and in order (back-pressure, first half).

    it flows      a stanza joins the batch, which the next flush writes; nothing is copied, counted or asked
    it waits      the channel has no room, or there is none: stanzas wait here until they can be written

`flush` returns a Deferred when more than `wait_above` waits; until it fires the caller reads nothing more from its own
peer (`net.connection.protocol`). So one receiver that does not read stops those that send to it, after a bounded
buffer, and nobody else. When there is room again they continue in turns, first come first served, no more at a time
than the room allows for one read of each; otherwise a hundred senders at once would be too many each time. A sender
that cannot be paused is limited by `most_bytes`: beyond that `enqueue` refuses, and the sender gets an error. While
there is no channel nobody is stopped, because a domain that does not answer must not silence senders that also send to
others; then `most_stanzas` is the limit.

An outflow whose owner can keep stanzas on a disk has an action for what is *overdue*: called when something has waited
on an open channel from one look to the next, so after half of OVERDUE_SECONDS at the earliest, and all of it at the
latest. Where everything that waits is written in less than that, it is never called, however much passes.

All outflows of a process share one QueueSpace.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gateway.timing.waiters import Waiters
from gateway.xmpp.stanzas import AddressedStanza

_CHUNK_BYTES = 65536
_STANZA_BYTES = 512  # the approximate memory of a waiting stanza beside its own bytes
_READ_BYTES = 65536  # the most that one read of a socket brings

OVERDUE_SECONDS = 0.04
"""Seconds after which a waiting stanza is overdue; the queue is looked at twice as often."""


class Channel(Protocol):
    """The destination of an outflow: a stream on which its stanzas may be sent."""

    @property
    def has_room(self) -> bool:
        """Return whether more may be sent now."""

    def send(self, batch: Sequence[AddressedStanza]) -> None:
        """Send these, in order."""

    def room(self) -> Deferred[None] | None:
        """Return None if there is room, else a Deferred that fires when there is, or the stream is gone."""


@dataclass(frozen=True, kw_only=True)
class OutflowBounds:
    """The limits of one outflow."""

    wait_above: int = 1 << 20  # bytes: beyond this, senders wait
    most_bytes: int = 16 << 20  # while there is a channel; every sender may deliver one more read before it stops
    most_stanzas: int = 10_000  # while there is none


class QueueSpace:
    """The bytes that may wait in all outflows together.

    An owner may use as much as is still free, so what waits because of one other domain takes no more than half.
    """

    def __init__(self, most: int, each: int = _STANZA_BYTES) -> None:
        """`each` is the memory of a stanza beside its own bytes."""
        self._left = most
        self._each = each
        self._taken: Counter[str] = Counter()  # by owner

    @property
    def left(self) -> int:
        """Return how much more may wait."""
        return self._left

    def take(self, size: int, count: int = 1, owner: str = "") -> bool:
        """Reserve space for this many more stanzas, `size` bytes together; return whether there was enough.

        `owner` is whose share they use; empty for none.
        """
        used = size + count * self._each
        if used + (self._taken[owner] if owner else 0) > self._left:
            return False
        self.insist(count, size, owner)
        return True

    def insist(self, count: int, size: int, owner: str = "") -> None:
        """Reserve space for stanzas that were accepted earlier, even if there is not enough."""
        used = size + count * self._each
        self._left -= used
        if owner and used:
            self._taken[owner] += used

    def give_back(self, count: int, size: int, owner: str = "") -> None:
        """Release the space of stanzas that no longer wait."""
        used = size + count * self._each
        self._left += used
        if owner and used:
            self._taken[owner] -= used
            if self._taken[owner] <= 0:
                del self._taken[owner]


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """The number of stanzas written before a connection ended, and how many seconds before the first was written."""

    count: int = 0
    seconds: float = 0


class Lately:
    """The stanzas written recently: if the connection breaks, nobody knows whether they arrived.

    They are counted by the second, so memory does not grow with traffic.
    """

    def __init__(self, seconds: float = 60) -> None:
        """Count what was written in the last `seconds`; older stanzas have arrived, or the connection was given up."""
        self._seconds = seconds
        self._written: deque[tuple[float, int]] = deque()  # the time when a second began, and the number written in it

    def add(self, count: int, now: float) -> None:
        """Count stanzas that are being written."""
        written = self._written
        if written and now - written[-1][0] < 1:
            written[-1] = (written[-1][0], written[-1][1] + count)
            return
        written.append((now, count))
        while written[0][0] < now - self._seconds - 1:
            written.popleft()

    def take(self, now: float, *, stuck: bool) -> Doubt:
        """Return what may not have arrived, and forget it; `stuck`: the other side stopped reading at the end."""
        since = float("-inf") if stuck else now - self._seconds - 1
        written = [(when, count) for when, count in self._written if when >= since]
        self._written.clear()
        if not written:
            return Doubt()
        return Doubt(count=sum(count for _, count in written), seconds=now - written[0][0])


class Outflow:
    """The queue for one destination, and the batch that is about to be written to it."""

    def __init__(self, bounds: OutflowBounds, space: QueueSpace, clock: IReactorTime, owner: str = "") -> None:
        """`clock` is an IReactorTime; senders that wait to continue get their turns in its iterations.

        `owner` is whose share of the space it uses.
        """
        self.flows = False
        self.is_diverted = False  # `flows` stays False, because something outside this outflow goes first
        self.waiting_bytes = 0
        self.refused = 0  # by `enqueue`, since it was last empty
        self.singly = 0  # the number of stanzas, first of those that wait, before each of which the channel is asked
        self.overdue: Callable[[], None] | None = None
        self._written = 0  # of what has waited
        self._overdue_at = 0  # when that many have been written, nothing waits that waited at the last look
        self._look: IDelayedCall | None = None
        self._clock = clock
        self._turn: IDelayedCall | None = None
        self._bounds = bounds
        self._space = space
        self._owner = owner
        self._channel: Channel | None = None
        self._batch: list[AddressedStanza] = []
        self._queue: deque[AddressedStanza] = deque()
        self._waits = Waiters()

    def __len__(self) -> int:
        """Return how many stanzas wait."""
        return len(self._queue)

    # -- stanzas -----------------------------------------------------------------------------------------------------

    def take(self, stanzas: Sequence[AddressedStanza]) -> bool:
        """Take all of these, to be written or to wait; return False if there is no channel, or not room for all."""
        if self.flows:
            self._batch.extend(stanzas)
            return True
        return self._channel is not None and not self.is_diverted and self._enqueue(stanzas)

    def add(self, stanza: AddressedStanza) -> None:
        """While it `flows`: have the next flush write the stanza."""
        self._batch.append(stanza)

    def enqueue(self, stanza: AddressedStanza) -> bool:
        """While it does not flow: let the stanza wait. Return False if too much waits already."""
        taken = self._enqueue((stanza,))
        self.refused += not taken
        return taken

    def _enqueue(self, stanzas: Sequence[AddressedStanza]) -> bool:
        if self._batch:  # it came earlier
            self._append_batch()
        size = sum([len(stanza.raw) for stanza in stanzas])
        if self._is_full(size) or not self._space.take(size, len(stanzas), self._owner):
            return False
        self.waiting_bytes += size
        self._queue.extend(stanzas)
        self._look_soon()
        return True

    def _is_full(self, size: int) -> bool:
        if self._channel is None:
            return len(self._queue) >= self._bounds.most_stanzas
        return self.waiting_bytes + size > self._bounds.most_bytes

    def put_first(self, stanzas: Sequence[AddressedStanza]) -> None:
        """Put these before everything else that waits: they were accepted before it, and must be sent again."""
        self._append_batch()
        self._count(stanzas)
        self._queue.extendleft(reversed(stanzas))
        if self._channel is not None:
            self._drain(self._channel)

    def flush(self) -> Deferred[None] | None:
        """Write the batch; return as `IRoute.flush` does."""
        channel = self._channel
        if channel is None:
            return None
        if self._batch:
            if channel.has_room and not self._queue:
                batch, self._batch = self._batch, []
                channel.send(batch)
            else:
                self._append_batch()
                self._drain(channel)
        if self.waiting_bytes <= self._bounds.wait_above:
            return None
        return self._waits.wait()

    def flush_ahead(self) -> None:
        """Write everything, even without room: its owner is about to write something that came later."""
        channel = self._channel
        if channel is None or not (self._batch or self._queue):
            return
        self._append_batch()
        while self._queue:
            channel.send(self._next_chunk())
        self._drain(channel)

    def drain(self) -> None:
        """Write of what waits as much as there is room for."""
        if self._channel is not None:
            self._drain(self._channel)

    def take_all(self) -> list[AddressedStanza]:
        """Remove and return everything that waits, oldest first."""
        waiting = list(self._queue)
        self._queue.clear()
        self._written += len(waiting)
        self._space.give_back(len(waiting), self.waiting_bytes, self._owner)
        self.waiting_bytes = self.refused = self.singly = 0
        self._release_all()
        return waiting

    # -- the channel -------------------------------------------------------------------------------------------------

    def open(self, channel: Channel) -> None:
        """Start sending: first what waits, then what comes."""
        self._channel = channel
        self._drain(channel)

    def divert(self, diverted: bool) -> None:
        """Have every stanza pass through `add` or `enqueue`, even while there is room; or end that."""
        self.is_diverted = diverted
        self.flows = not diverted and self._channel is not None and not self._queue

    def shut(self) -> None:
        """Note that the channel is gone. Stanzas still wait, but senders no longer wait for them."""
        self._channel = None
        if self._look is not None:
            self._look.cancel()
            self._look = None
        self._append_batch()
        self._release_all()

    def _drain(self, channel: Channel) -> None:
        if channel is not self._channel:
            return
        while self._queue:
            room = channel.room()
            if room is not None:
                room.addCallback(lambda _: self._drain(channel))
                break
            channel.send(self._next_chunk())
        else:
            self.flows = not self.is_diverted
            self.refused = 0
        self._release()

    def _next_chunk(self) -> list[AddressedStanza]:
        chunk: list[AddressedStanza] = []
        size = 0
        most = _CHUNK_BYTES
        if self.singly:
            self.singly -= 1
            most = 0
        while self._queue and (not chunk or size + len(self._queue[0].raw) <= most):
            chunk.append(self._queue.popleft())
            size += len(chunk[-1].raw)
        self.waiting_bytes -= size
        self._written += len(chunk)
        self._space.give_back(len(chunk), size, self._owner)
        return chunk

    def _append_batch(self) -> None:
        batch, self._batch = self._batch, []
        self._count(batch)
        self._queue.extend(batch)
        self.flows = False
        self._look_soon()

    def _count(self, stanzas: Sequence[AddressedStanza]) -> None:
        size = sum([len(stanza.raw) for stanza in stanzas])
        self.waiting_bytes += size
        self._space.insist(len(stanzas), size, self._owner)

    # -- what has waited for too long --------------------------------------------------------------------------------

    def _look_soon(self) -> None:
        if self.overdue is None or self._look is not None or self._channel is None or not self._queue:
            return
        self._overdue_at = self._written + len(self._queue)
        self._look = self._clock.callLater(OVERDUE_SECONDS / 2, self._look_again)

    def _look_again(self) -> None:
        self._look = None
        if self._queue and self._written < self._overdue_at and self.overdue is not None and not self.is_diverted:
            self.overdue()
        else:
            self._look_soon()

    # -- paused senders ---------------------------------------------------------------------------------------------

    def _release(self) -> None:
        """Half is gone: let as many continue as there is room for; the others get their turn soon."""
        if self._turn is not None or 2 * self.waiting_bytes > self._bounds.wait_above:
            return
        turns = max(1, (self._bounds.wait_above - self.waiting_bytes) // _READ_BYTES)
        self._waits.release(turns)
        if self._waits:
            self._turn = self._clock.callLater(0, self._next_turn)

    def _next_turn(self) -> None:
        self._turn = None
        self._release()

    def _release_all(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        self._waits.release()
