"""Idle parsers: quiet connections release what only reading needs.

A stream's means of reading, above all its XML parser, take as much memory as all the rest of it but TLS, and most
streams between servers are silent most of the time. So a stream rests from the moment it is established, wakes with the
first bytes, and rests again when none have come for a while. Waking costs about as much as a stanza.

One timer examines all streams that are awake, and runs only while there are some.
"""

from __future__ import annotations

from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime

QUIET_SECONDS = 2.0


class Sleeper(Protocol):
    """A connection that can rest."""

    last_activity: float

    def rest(self) -> None:
        """Release what is not needed, because nothing has happened for a while."""


class IdleParsers:
    """Makes quiet connections rest."""

    def __init__(self, clock: IReactorTime, seconds: float = QUIET_SECONDS) -> None:
        self._clock = clock
        self._seconds = seconds
        self._awake: set[Sleeper] = set()
        self._timer: IDelayedCall | None = None

    def awake(self, sleeper: Sleeper) -> None:
        """Note that something has come on this connection: it rests when nothing more happens on it."""
        self._awake.add(sleeper)
        if self._timer is None:
            self._timer = self._clock.callLater(self._seconds, self._look)

    def forget(self, sleeper: Sleeper) -> None:
        """Forget a connection that is gone."""
        self._awake.discard(sleeper)
        if not self._awake and self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        quiet_since = self._clock.seconds() - self._seconds
        for sleeper in [each for each in self._awake if each.last_activity <= quiet_since]:
            self._awake.discard(sleeper)
            sleeper.rest()
        if self._awake:
            self._timer = self._clock.callLater(self._seconds, self._look)
