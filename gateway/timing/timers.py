"""Timers: one alone, or several by name; each runs once at a time, and none outlives its owner.

Starting one that runs restarts it. When its time is up it is gone before its action is called, which may start it
again. The clock is an IReactorTime that is passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.interfaces import IReactorTime


class Timer:
    """One timer."""

    __slots__ = ("_call", "_clock")

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._call: Any = None

    @property
    def is_running(self) -> bool:
        """Whether its action is still to be called."""
        return self._call is not None

    def start(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` after so many seconds, and nothing that was to be called before."""
        self.stop()
        self._call = self._clock.callLater(seconds, self._fire, action)

    def stop(self) -> None:
        """Call nothing."""
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _fire(self, action: Callable[[], None]) -> None:
        self._call = None
        action()


class Timers:
    """The timers of one owner."""

    __slots__ = ("_clock", "_have_ended", "_running")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._running: dict[str, Any] = {}
        self._have_ended = False

    def __len__(self) -> int:
        """How many run."""
        return len(self._running)

    def __contains__(self, name: str) -> bool:
        """Whether that one runs."""
        return name in self._running

    def start(self, name: str, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` after this many seconds."""
        self.stop(name)
        if not self._have_ended:
            self._running[name] = self._clock.callLater(seconds, self._fire, name, action)

    def stop(self, *names: str) -> None:
        """Stop these timers, if they run."""
        for name in names:
            timer = self._running.pop(name, None)
            if timer is not None:
                timer.cancel()

    def end(self) -> None:
        """Stop all timers and start no more: their owner is gone."""
        self._have_ended = True
        self.stop(*self._running)

    def _fire(self, name: str, action: Callable[[], None]) -> None:
        del self._running[name]
        action()
