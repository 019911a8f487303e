"""UnprovedReads: what was read from streams that have proved nothing yet, taken in shares.

Anybody can open a hundred connections and have each read cost us milliseconds: a TLS handshake, a password, dialback
keys that we are asked about. Established streams must not wait for that. So these reads are small, and all of them
together take a hundredth of a second in one turn of the event loop. Further ones wait for a later turn, and until then
nothing more is read from their connections. Addresses take turns, so an address with many connections delays the others
no longer than one with a single connection would.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from gateway.bounds.tables import address_of
from gateway.timing.timers import Timer

SECONDS_IN_A_TURN = 0.01
"""The time that all of these reads together may take in one turn of the event loop, and the rest of the last one."""
BYTES_AT_ONCE = 4096
"""The bytes of one read: it is taken as a whole."""


class UnprovedReads:
    """The reads of all connections that have proved nothing yet."""

    def __init__(self, clock: IReactorTime) -> None:
        self._seconds = clock.seconds
        self._next_turn = Timer(clock)
        self._used = 0.0  # seconds in this turn
        self._waiting: dict[str, deque[_ReadInTurn]] = {}  # by address, in the order of their turns

    def take(self, peer_address: str, take: Callable[[], None]) -> Deferred[None] | None:
        """Take a read at once, or in a later turn: then return a Deferred that fires when it is taken."""
        if not self._waiting and self._used < SECONDS_IN_A_TURN:
            self._take(take)
            self._go_on()
            return None
        taken: Deferred[None] = Deferred()
        self._waiting.setdefault(address_of(peer_address), deque()).append((take, taken))
        self._go_on()
        return taken

    def _go_on(self) -> None:
        if not self._next_turn.is_running:
            self._next_turn.start(0, self._take_turn)

    def _take_turn(self) -> None:
        self._used = 0.0
        while self._waiting and self._used < SECONDS_IN_A_TURN:
            address = next(iter(self._waiting))
            reads = self._waiting.pop(address)
            take, taken = reads.popleft()
            if reads:
                self._waiting[address] = reads  # behind all others
            self._take(take)
            taken.callback(None)
        if self._used:
            self._go_on()

    def _take(self, take: Callable[[], None]) -> None:
        began = self._seconds()
        try:
            take()
        finally:
            self._used += self._seconds() - began


_ReadInTurn = tuple[Callable[[], None], Deferred[None]]
