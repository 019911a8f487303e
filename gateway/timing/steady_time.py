"""Steady time: timers that do not follow the system's clock when it is set.

Twisted measures timers by the system's clock. When an operator or NTP sets it back by an hour, every timer waits an
hour longer: nothing times out, nothing is retried. So the reactor gets the monotonic clock, which starts anywhere. All
durations are measured by it. Timestamps for people use the time of day (`time_of_day`).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.internet.base import ReactorBase

from gateway.timing.reactor import IReactor


def keep_steady(reactor: IReactor) -> None:
    """Make a reactor measure its timers by monotonic time from now on. Running timers keep the time that is left."""
    if isinstance(reactor, ReactorBase):
        ahead = reactor.seconds() - time.monotonic()
        reactor.seconds = time.monotonic
        for timer in reactor.getDelayedCalls():
            timer.delay(-ahead)


def time_of_day(reactor: IReactor) -> Callable[[], float]:
    """Return the clock for timestamps: the system's, or that of a test, which has only one."""
    return time.time if isinstance(reactor, ReactorBase) else reactor.seconds
