"""The lag of the event loop: once a second a timer is set, and its delay is published as a notice.

A lag means that something blocked the loop: too much work, a slow disk, a machine that is too small. These notices are
too many for the log; only the metrics use them.
"""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime

from gateway.notices.notices import LoopLag, Publish
from gateway.timing.timers import Timer

PERIOD = 1.0


class LagMeter(Service):
    """Measure the lag while running."""

    def __init__(self, clock: IReactorTime, publish: Publish) -> None:
        self._clock = clock
        self._publish = publish
        self._timer = Timer(clock)
        self._wished = 0.0

    def startService(self) -> None:
        super().startService()
        self._ask()

    def stopService(self) -> None:
        super().stopService()
        self._timer.stop()

    def _ask(self) -> None:
        self._wished = self._clock.seconds() + PERIOD
        self._timer.start(PERIOD, self._called)

    def _called(self) -> None:
        self._publish(LoopLag(seconds=max(0.0, self._clock.seconds() - self._wished)))
        self._ask()
