"""StallWatch: cuts a connection whose other side takes nothing for too long."""

from __future__ import annotations

from typing import Any, Protocol
from weakref import proxy

from gateway.timing.timers import Timer


class Cuttable(Protocol):
    """A connection."""

    def abort(self, because: str) -> None:
        """Cut it."""


class StallWatch:
    """What a Writable tells of its transport, and how long that has lasted."""

    def __init__(self, connection: Cuttable, clock: Any, seconds: float) -> None:
        self.has_stalled = False  # the connection was cut
        self._connection = proxy(connection)  # which refers to us, and shall be freed without the garbage collector
        self._seconds = seconds
        self._timer = Timer(clock)

    @property
    def is_stuck(self) -> bool:
        """Whether the other side takes nothing now, or took nothing when the connection was cut."""
        return self.has_stalled or self._timer.is_running

    def write_paused(self) -> None:
        """Note that the other side reads nothing for now."""
        self._timer.start(self._seconds, self._give_up)

    def write_resumed(self) -> None:
        """Note that it has read all that waited."""
        self._timer.stop()

    def end(self) -> None:
        """Stop watching: the connection is lost."""
        self._timer.stop()

    def _give_up(self) -> None:
        self.has_stalled = True
        self._connection.abort(f"it read nothing for {self._seconds:g} s")
