"""Outflow: the stanzas on their way to one destination, bounded and in order (back-pressure, first half).

    it flows      a stanza joins the batch, which the next flush writes; nothing is copied, counted or asked
    it is held    the channel has no room, or there is none: stanzas wait here, and are written as soon as they can be

`flush` returns a Deferred when more than `wait_above` waits; the caller reads nothing more from its own peer until it
fires (`net.connection.protocol`). So one receiver that reads nothing stops those that send to it,
after a bounded buffer, and nobody else. When there is room again they go on in turns, first come first served, no more
at a time than there is room for what one read of each may bring; or a hundred senders at once would be too many each
time. A sender that cannot be paused is limited by `most_bytes`: then `hold` refuses, and the sender gets an error.
While there is no channel nobody is stopped, since a domain that does not answer must not silence senders that also talk
to others; then `most_stanzas` is the bound.

All outflows of a process share one QueueSpace.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from gateway.xmpp.stanzas import Stanza

_CHUNK_BYTES = 65536
_STANZA_BYTES = 512  # what a waiting stanza takes in memory beside its own bytes, about
_READ_BYTES = 65536  # what one read of a socket brings at most


class Channel(Protocol):
    """What an outflow writes to: a stream on which its stanzas may be sent."""

    @property
    def has_room(self) -> bool:
        """Whether more may be sent now."""

    def send(self, batch: Sequence[Stanza]) -> None:
        """Send these, in order."""

    def room(self) -> Deferred[None] | None:
        """None when there is room; else a Deferred that fires when there is, or the stream is gone."""


@dataclass(frozen=True, kw_only=True)
class OutflowBounds:
    """How much may wait in one outflow."""

    wait_above: int = 1 << 20  # bytes: with more, whoever sends waits
    most_bytes: int = 16 << 20  # while there is a channel; every sender may deliver one more read before it stops
    most_stanzas: int = 10_000  # while there is none


class QueueSpace:
    """The bytes that may wait in all outflows together."""

    def __init__(self, most: int, each: int = _STANZA_BYTES) -> None:
        """`each` is what a stanza takes beside its own bytes."""
        self._left = most
        self._each = each

    @property
    def left(self) -> int:
        """How much more may wait."""
        return self._left

    def take(self, size: int, count: int = 1) -> bool:
        """Whether this many more stanzas, `size` bytes together, may wait; then their space is taken."""
        size += count * self._each
        if size > self._left:
            return False
        self._left -= size
        return True

    def insist(self, count: int, size: int) -> None:
        """So many more wait, `size` bytes together: they were accepted before."""
        self._left -= size + count * self._each

    def give_back(self, count: int, size: int) -> None:
        """So many, `size` bytes together, wait no longer."""
        self._left += size + count * self._each


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """How many stanzas were written to a connection before it ended, the first of them this many seconds before."""

    count: int = 0
    seconds: float = 0


class Lately:
    """What was written lately: on a connection that then broke, nobody knows whether it arrived.

    It is counted by the second, so it takes no more room however much is written.
    """

    def __init__(self, seconds: float = 60) -> None:
        """What is older than `seconds` has arrived, or the system has given the connection up (`net.silence`)."""
        self._seconds = seconds
        self._written: deque[tuple[float, int]] = deque()  # when a second began, how many were written in it

    def add(self, count: int, now: float) -> None:
        """So many are being written."""
        written = self._written
        if written and now - written[-1][0] < 1:
            written[-1] = (written[-1][0], written[-1][1] + count)
            return
        written.append((now, count))
        while written[0][0] < now - self._seconds - 1:
            written.popleft()

    def take(self, now: float, *, stuck: bool) -> Doubt:
        """What may not have arrived, and forget it; `stuck`: the other side stopped reading at the end."""
        since = float("-inf") if stuck else now - self._seconds - 1
        written = [(when, count) for when, count in self._written if when >= since]
        self._written.clear()
        if not written:
            return Doubt()
        return Doubt(count=sum(count for _, count in written), seconds=now - written[0][0])


class Outflow:
    """The queue for one destination, and the batch that is about to be written to it."""

    def __init__(self, bounds: OutflowBounds, space: QueueSpace, clock: IReactorTime) -> None:
        """`clock` is an IReactorTime: those who wait to go on have their turns in its iterations."""
        self.flows = False
        self.is_diverted = False  # `flows` stays False: something goes first that this outflow does not know
        self.waiting_bytes = 0
        self.refused = 0  # by `hold`, since it was last empty
        self._clock = clock
        self._turn: Any = None
        self._bounds = bounds
        self._space = space
        self._channel: Channel | None = None
        self._batch: list[Stanza] = []
        self._queue: deque[Stanza] = deque()
        self._waits: deque[Deferred[None]] = deque()

    def __len__(self) -> int:
        """How many stanzas wait."""
        return len(self._queue)

    def __iter__(self) -> Iterator[Stanza]:
        """Iterate over the waiting stanzas, oldest first."""
        return iter(self._queue)

    # -- stanzas -----------------------------------------------------------------------------------------------------

    def take(self, stanzas: Sequence[Stanza]) -> bool:
        """Take all of these, to be written or to wait; False when there is no channel, or not room for all."""
        if self.flows:
            self._batch.extend(stanzas)
            return True
        return self._channel is not None and not self.is_diverted and self._hold(stanzas)

    def add(self, stanza: Stanza) -> None:
        """While it `flows`: have the next flush write it."""
        self._batch.append(stanza)

    def hold(self, stanza: Stanza) -> bool:
        """While it does not flow: let it wait. False when too much waits already."""
        held = self._hold((stanza,))
        self.refused += not held
        return held

    def _hold(self, stanzas: Sequence[Stanza]) -> bool:
        size = sum([len(stanza.raw) for stanza in stanzas])
        if self._is_full(size) or not self._space.take(size, len(stanzas)):
            return False
        self.waiting_bytes += size
        self._queue.extend(stanzas)
        return True

    def _is_full(self, size: int) -> bool:
        if self._channel is None:
            return len(self._queue) >= self._bounds.most_stanzas
        return self.waiting_bytes + size > self._bounds.most_bytes

    def put_first(self, stanzas: Sequence[Stanza]) -> None:
        """Let these wait before everything else: they were accepted before it, and have to be sent again."""
        self._append_batch()
        self._count(stanzas)
        self._queue.extendleft(reversed(stanzas))
        if self._channel is not None:
            self._drain(self._channel)

    def flush(self) -> Deferred[None] | None:
        """Write the batch; the answer is as for `IRoute.flush`."""
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
        wait: Deferred[None] = Deferred()
        self._waits.append(wait)
        return wait

    def take_all(self) -> list[Stanza]:
        """Everything that waits, oldest first; it waits here no longer."""
        waiting = list(self._queue)
        self._queue.clear()
        self._space.give_back(len(waiting), self.waiting_bytes)
        self.waiting_bytes = self.refused = 0
        self._release_all()
        return waiting

    # -- the channel -------------------------------------------------------------------------------------------------

    def open(self, channel: Channel) -> None:
        """Stanzas may be sent: first what waits, then what comes."""
        self._channel = channel
        self._drain(channel)

    def divert(self, diverted: bool) -> None:
        """Have every stanza pass by `add` or `hold`, even while there is room; or no longer."""
        self.is_diverted = diverted
        self.flows = not diverted and self._channel is not None and not self._queue

    def shut(self) -> None:
        """The channel is gone. Stanzas go on waiting, but senders no longer wait for them."""
        self._channel = None
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

    def _next_chunk(self) -> list[Stanza]:
        chunk: list[Stanza] = []
        size = 0
        while self._queue and (not chunk or size + len(self._queue[0].raw) <= _CHUNK_BYTES):
            chunk.append(self._queue.popleft())
            size += len(chunk[-1].raw)
        self.waiting_bytes -= size
        self._space.give_back(len(chunk), size)
        return chunk

    def _append_batch(self) -> None:
        batch, self._batch = self._batch, []
        self._count(batch)
        self._queue.extend(batch)
        self.flows = False

    def _count(self, stanzas: Sequence[Stanza]) -> None:
        size = sum([len(stanza.raw) for stanza in stanzas])
        self.waiting_bytes += size
        self._space.insist(len(stanzas), size)

    # -- those who wait ----------------------------------------------------------------------------------------------

    def _release(self) -> None:
        """Half is gone: let as many go on as there is room for; the others have their turn soon."""
        if self._turn is not None or 2 * self.waiting_bytes > self._bounds.wait_above:
            return
        turns = max(1, (self._bounds.wait_above - self.waiting_bytes) // _READ_BYTES)
        for _ in range(turns):
            if self._waits:
                self._waits.popleft().callback(None)
        if self._waits:
            self._turn = self._clock.callLater(0, self._next_turn)

    def _next_turn(self) -> None:
        self._turn = None
        self._release()

    def _release_all(self) -> None:
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        waits, self._waits = self._waits, deque()
        for wait in waits:
            wait.callback(None)
