"""StreamsUnderway: the streams that are being opened, by place, and a limit on how many there are to one place.

A place is an address and a port. Many domains of one hoster share one, and after a restart streams are opened to all of
them. Those beyond the limit wait for their turn; a stream that is established, or has failed, makes room for the next.
Strangers can make us ask about keys, so questions take at most half of a place, and wait behind streams for stanzas.
"""

from __future__ import annotations

from functools import partial

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from gateway.bounds.tables import neighbourhood

MOST_UNDERWAY = 100
"""Streams that are being opened to one place at a time."""
MOST_QUESTIONS_UNDERWAY = MOST_UNDERWAY // 2
"""Of these, streams for questions about keys."""
MOST_TURNS = 1000
"""Further ones of each kind that wait for their turn; beyond that, opening one fails at once."""

_WaitingTurns = dict[Deferred[None], None]


class _DialledPlace:
    """The streams being opened to one address and port, and those that wait."""

    __slots__ = ("opening", "turns")

    def __init__(self) -> None:
        self.opening = {False: 0, True: 0}  # by whether they are for questions
        self.turns: dict[bool, _WaitingTurns] = {False: {}, True: {}}

    @property
    def is_empty(self) -> bool:
        return not any(self.opening.values()) and not any(self.turns.values())

    def has_room(self, *, asks: bool) -> bool:
        return sum(self.opening.values()) < MOST_UNDERWAY and (not asks or self.opening[True] < MOST_QUESTIONS_UNDERWAY)


class StreamsUnderway:
    """Streams being opened, by place."""

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._places: dict[tuple[str, int], _DialledPlace] = {}

    def begin(self, host: str, port: int, *, asks: bool = False) -> Deferred[None] | None:
        """Return a Deferred that fires when one more may be opened; None if too many wait. Cancelling gives it up.

        `asks` is whether the stream is for questions about keys only.
        """
        key = neighbourhood(host), port
        place = self._places.setdefault(key, _DialledPlace())
        turns = place.turns[asks]
        if not turns and place.has_room(asks=asks):
            place.opening[asks] += 1
            return succeed(None)
        if len(turns) >= MOST_TURNS:
            return None
        turn: Deferred[None] = Deferred(partial(self._given_up, turns))
        turns[turn] = None
        return turn

    def end(self, host: str, port: int, *, asks: bool = False) -> None:
        """Note that one is established, or has failed: the next takes its place."""
        key = neighbourhood(host), port
        place = self._places[key]
        place.opening[asks] -= 1
        if any(place.turns.values()):
            self._clock.callLater(0, self._next, key)  # one that fails at once would otherwise nest the next in it
        elif place.is_empty:
            del self._places[key]

    def _next(self, key: tuple[str, int]) -> None:
        place = self._places.get(key)
        if place is None:
            return
        for asks, turns in place.turns.items():  # those for stanzas come first
            while turns and place.has_room(asks=asks):
                turn = next(iter(turns))
                del turns[turn]
                place.opening[asks] += 1
                turn.callback(None)
        if place.is_empty and self._places.get(key) is place:
            del self._places[key]

    @staticmethod
    def _given_up(turns: _WaitingTurns, turn: Deferred[None]) -> None:
        turns.pop(turn, None)
