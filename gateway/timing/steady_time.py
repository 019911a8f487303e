"""Steady time: timers that do not follow the system's clock when it is set.

Twisted measures timers by the system's clock. When an operator or NTP sets it back by an hour, every timer waits an
hour longer: nothing times out, nothing is retried. So the reactor gets a clock that starts at the time of day and then
follows monotonic time. All durations are measured by it. Timestamps for people use the time of day itself
(`time_of_day`).
"""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.internet.base import ReactorBase

from gateway.timing.reactor import IReactor

_AHEAD = time.time() - time.monotonic()


def _steady() -> float:
    """Return the seconds that started at the time of day and then followed monotonic time."""
    return time.monotonic() + _AHEAD


def keep_steady(reactor: IReactor) -> None:
    """Make a reactor measure its timers by monotonic time from now on. Running timers are not affected."""
    if isinstance(reactor, ReactorBase):
        reactor.seconds = _steady


def time_of_day(reactor: IReactor) -> Callable[[], float]:
    """Return the clock for timestamps: the system's, or that of a test, which has only one."""
    return time.time if isinstance(reactor, ReactorBase) else reactor.seconds
