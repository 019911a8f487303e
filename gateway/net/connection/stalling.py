"""StallWatch: cuts a connection whose other side reads nothing for too long."""

from __future__ import annotations

from typing import Protocol
from weakref import proxy

from twisted.internet.interfaces import IReactorTime

from gateway.stream.sessions import PeerReading
from gateway.timing.timers import Timer

STUCK_SECONDS = 1.0
"""A pause that is shorter means nothing: TLS makes one with every large write."""


class Cuttable(Protocol):
    """A connection."""

    def abort(self, because: str) -> None:
        """Cut it."""


class StallWatch:
    """The state of a transport, as its Writable reports it, and how long it has lasted."""

    __slots__ = ("__weakref__", "_clock", "_connection", "_seconds", "_since", "_timer", "has_stalled")

    def __init__(self, connection: Cuttable, clock: IReactorTime, seconds: float) -> None:
        self.has_stalled = False  # the connection was cut
        # it refers to us; a proxy lets both be freed without the garbage collector
        self._connection = proxy(connection)
        self._clock = clock
        self._seconds = seconds
        self._since = 0.0  # when the other side stopped reading
        self._timer = Timer(clock)

    @property
    def is_stuck(self) -> bool:
        """Return whether the other side has read nothing for a while, or read nothing when the connection was cut."""
        is_waiting = self._timer.is_running and self._clock.seconds() - self._since >= STUCK_SECONDS
        return self.has_stalled or is_waiting

    @property
    def reading(self) -> PeerReading:
        """Return whether the other side is reading, or was when the connection was cut."""
        if self.has_stalled:
            return PeerReading.STALLED
        return PeerReading.STUCK if self.is_stuck else PeerReading.READ

    def write_paused(self) -> None:
        """Note that the other side reads nothing for now."""
        self._since = self._clock.seconds()
        self._timer.start(self._seconds, self._give_up)

    def write_resumed(self) -> None:
        """Note that it has read everything that waited."""
        self._timer.stop()

    def end(self) -> None:
        """Stop watching, because the connection is lost."""
        self._timer.stop()

    def _give_up(self) -> None:
        self.has_stalled = True
        self._connection.abort(f"it read nothing for {self._seconds:g} s")
