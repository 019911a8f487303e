"""Timers: a single one, or several by name; each runs once at a time, and none outlives its owner.

Starting one that runs restarts it. When its time is up it is removed before its action is called, so the action may
start it again. The clock is an IReactorTime that is passed in.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Timer:
    """One timer."""

    __slots__ = ("_call", "_clock")

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._call: IDelayedCall | None = None

    @property
    def is_running(self) -> bool:
        """Return whether its action is still to be called."""
        return self._call is not None

    def start(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` after this many seconds, instead of any earlier action."""
        if self._call is not None:
            self._call.cancel()
        self._call = self._clock.callLater(seconds, self._fire, action)

    def stop(self) -> None:
        """Cancel the timer."""
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
        self._running: dict[str, IDelayedCall] = {}
        self._have_ended = False

    def __len__(self) -> int:
        """Return how many run."""
        return len(self._running)

    def __contains__(self, name: str) -> bool:
        """Return whether that one runs."""
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
        """Stop all timers and start no more, because their owner is gone."""
        self._have_ended = True
        self.stop(*self._running)

    def _fire(self, name: str, action: Callable[[], None]) -> None:
        del self._running[name]
        action()
