"""Throttle: limit the rate of updates; the last update always gets through.

Presence goes from one client to every subscriber. So after a burst, updates are postponed, each replaced by the next,
and the last one is sent when it is due. Only states that nobody has seen are lost.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime


class Throttle:
    """Lets through `burst` updates at once, and then one in `seconds`."""

    __slots__ = ("_burst", "_clock", "_postponed", "_seconds", "_spare", "_timer", "_updated")

    def __init__(self, clock: IReactorTime, burst: int, seconds: float) -> None:
        self._clock = clock
        self._burst = burst
        self._seconds = seconds
        self._spare = float(burst)
        self._updated = clock.seconds()
        self._postponed: Callable[[], None] | None = None
        self._timer: IDelayedCall | None = None

    def lets_pass(self) -> bool:
        """Return whether an update may be sent now; if not, it should be postponed."""
        self._refill()
        if self._timer is not None or self._spare < 1:
            return False
        self._spare -= 1
        return True

    def postpone(self, update: Callable[[], None]) -> None:
        """Send the update when its time has come; it replaces the one that was postponed before."""
        self._postponed = update
        if self._timer is None:
            self._timer = self._clock.callLater((1 - self._spare) * self._seconds, self._let_through)

    def stop(self) -> None:
        """Forget what is postponed."""
        self._postponed = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refill(self) -> None:
        now = self._clock.seconds()
        self._spare = min(self._burst, self._spare + (now - self._updated) / self._seconds)
        self._updated = now

    def _let_through(self) -> None:
        self._timer = None
        self._refill()
        self._spare -= 1
        update, self._postponed = self._postponed, None
        if update is not None:
            update()
