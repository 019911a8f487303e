"""Liveness: find connections that died silently (RFC 6120 §4.6.1), so that no client looks available that is not.

A connection on which nothing came for some minutes is asked for a sign of life; if nothing comes then, it is closed.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from gateway.stream.sessions import Connection
from gateway.timing.timers import Timer
from gateway.xmpp.errors import StreamCondition, StreamError

QUIET_SECONDS = 300.0
ANSWER_SECONDS = 60.0


class Liveness:
    """Watches one connection; `ask` writes something that a living peer answers."""

    def __init__(self, connection: Connection, clock: IReactorTime, ask: Callable[[], None]) -> None:
        self._connection = connection
        self._ask = ask
        self._seen = connection.bytes_in
        self._asked = False
        self._timer = Timer(clock)
        self._timer.start(QUIET_SECONDS, self._look)

    def stop(self) -> None:
        """Stop, because the connection is gone."""
        self._timer.stop()

    def _look(self) -> None:
        quiet = self._connection.bytes_in == self._seen
        self._seen = self._connection.bytes_in
        if quiet and self._asked:
            self._connection.close(StreamError(StreamCondition.CONNECTION_TIMEOUT, "no sign of life"))
            return
        self._asked = quiet
        if quiet:
            self._ask()
        self._timer.start(ANSWER_SECONDS if quiet else QUIET_SECONDS, self._look)
