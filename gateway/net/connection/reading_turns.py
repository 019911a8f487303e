"""ReadingTurns: what was read from connections, taken in shares of the event loop's time.

Anybody can open a hundred connections and have each read cost us milliseconds: a TLS handshake, a password, dialback
keys that we are asked about. A domain is quickly proved, and then each read brings a thousand stanzas. A connection
that sends little must not wait for all of that. So two kinds of reads get at most half of the time, in small shares:
all reads of streams that have proved nothing yet, which are kept small, and the large reads of the others. Further ones
wait for a later turn of the event loop, and until then nothing more is read from their connections. Addresses take
turns, so an address with many connections delays the others no longer than one with a single connection would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from gateway.bounds.tables import address_of
from gateway.timing.timers import Timer

SHARE_SECONDS = 0.02
"""One share, for each kind of reads."""
UNPROVED_BYTES = 4096
"""The bytes of one read before anything is proved: it is taken as a whole."""
SMALL_BYTES = 4096
"""What was read is taken at once up to this size, if something is proved."""


class ReadingTurns:
    """The reads of one kind.

    A share begins with its first read. It is used up after some hundredths of a second, and the next one begins when
    others have had as much time, or with the next turn. A timer finds the end of the turn, but only once a quarter of a
    share is used: while there is little to do, reads cost no timer, and while there is much, one for many of them.
    """

    def __init__(self, clock: IReactorTime, seconds: float) -> None:
        self._seconds = seconds
        self._now = clock.seconds
        self._next_turn = Timer(clock)
        self._began = self._now()  # the present share
        self._used = 0.0  # seconds of it
        self._waiting: dict[str, deque[_ReadInTurn]] = {}  # by address, in the order of their turns

    def begin(self) -> float | None:
        """Return when a read begins that may be taken at once, for `end`, or None if it has to wait for a turn."""
        if self._waiting:
            return None
        now = self._now()
        if now - self._began >= 2 * max(self._used, self._seconds):
            self._began, self._used = now, 0.0
        return now if self._used < self._seconds else None

    def end(self, began: float) -> None:
        """Note that a read is taken."""
        self._used += self._now() - began
        if self._used > self._seconds / 4:
            self._go_on()

    def take_later(self, peer_address: str, take: Callable[[], None]) -> Deferred[None]:
        """Take a read, or what is left of one, in a later turn; the Deferred fires when it is taken."""
        taken: Deferred[None] = Deferred()
        self._waiting.setdefault(address_of(peer_address), deque()).append((take, taken))
        self._go_on()
        return taken

    def _go_on(self) -> None:
        if not self._next_turn.is_running:
            self._next_turn.start(0, self._take_turn)

    def _take_turn(self) -> None:
        self._began, self._used = self._now(), 0.0
        while self._waiting and self._used < self._seconds:
            address = next(iter(self._waiting))
            reads = self._waiting.pop(address)
            take, taken = reads.popleft()
            if reads:
                self._waiting[address] = reads  # behind all others
            if self._waiting:
                self._go_on()  # whatever happens
            began = self._now()
            try:
                take()
            finally:
                self.end(began)
                taken.callback(None)


_ReadInTurn = tuple[Callable[[], None], Deferred[None]]


@dataclass(frozen=True, kw_only=True)
class ReadingShares:
    """The turns of both kinds of reads."""

    unproved: ReadingTurns
    large: ReadingTurns


def reading_shares(clock: IReactorTime) -> ReadingShares:
    """Return the turns of one event loop."""
    return ReadingShares(
        unproved=ReadingTurns(clock, SHARE_SECONDS),
        large=ReadingTurns(clock, SHARE_SECONDS),
    )
