"""The lag of the event loop: what a call that was asked for comes late by."""

from __future__ import annotations

from twisted.internet.task import Clock

from gateway.notices.notices import LoopLag, Notice
from gateway.operations.lag import LagMeter


def test_the_delay_of_each_call_is_told_until_the_end() -> None:
    clock = Clock()
    told: list[Notice] = []
    meter = LagMeter(clock, told.append)
    meter.startService()
    clock.advance(1)
    clock.advance(1.25)
    clock.advance(1)
    assert [round(notice.seconds, 6) for notice in told if isinstance(notice, LoopLag)] == [0, 0.25, 0]
    meter.stopService()
    clock.advance(10)
    assert len(told) == 3
    assert clock.getDelayedCalls() == []
