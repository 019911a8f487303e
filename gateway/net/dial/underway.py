"""Underway: the streams that are being opened, by address, so that nobody leads us to one server without limit.

Many domains of one hoster share an address, and after a restart streams are opened to all of them. Those beyond the
limit wait for their turn, in order; a stream that is established, or has failed, makes room for the next.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from gateway.bounds.tables import neighbourhood

MOST_UNDERWAY = 100
"""Streams that are being opened to one address at a time."""
MOST_TURNS = 1000
"""Further ones that wait for their turn; beyond that, opening one fails at once."""


class Underway:
    """Streams being opened, by address."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._opening: Counter[str] = Counter()
        self._turns: dict[str, dict[Deferred[None], None]] = {}

    def begin(self, host: str) -> Deferred[None] | None:
        """Return a Deferred that fires when one more may be opened; None if too many wait. Cancelling gives it up."""
        address = neighbourhood(host)
        if self._opening[address] < MOST_UNDERWAY:
            self._opening[address] += 1
            return succeed(None)
        turns = self._turns.setdefault(address, {})
        if len(turns) >= MOST_TURNS:
            return None
        turn: Deferred[None] = Deferred(partial(self._forget, address))
        turns[turn] = None
        return turn

    def end(self, host: str) -> None:
        """Note that one is established, or has failed: the next takes its place."""
        address = neighbourhood(host)
        if address in self._turns:
            self._clock.callLater(0, self._next, address)  # one that fails at once would otherwise nest the next in it
        else:
            self._leave(address)

    def _next(self, address: str) -> None:
        turns = self._turns.get(address)
        if turns is None:  # all have given up meanwhile
            self._leave(address)
            return
        turn = next(iter(turns))
        self._forget(address, turn)
        turn.callback(None)

    def _forget(self, address: str, turn: Deferred[None]) -> None:
        turns = self._turns[address]
        del turns[turn]
        if not turns:
            del self._turns[address]

    def _leave(self, address: str) -> None:
        self._opening[address] -= 1
        if not self._opening[address]:
            del self._opening[address]
