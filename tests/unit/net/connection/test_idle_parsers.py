"""Slumber: connections on which nothing comes rest."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from gateway.net.connection.idle_parsers import Slumber


class Sleeper:
    """A connection on which things happen when the test says so."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.last_activity = clock.seconds()
        self.rested: list[float] = []

    def act(self) -> None:
        self.last_activity = self.clock.seconds()

    def rest(self) -> None:
        self.rested.append(self.clock.seconds())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def slumber(clock: Clock) -> Slumber:
    return Slumber(clock, 2)


def test_a_quiet_connection_rests_once(clock: Clock, slumber: Slumber) -> None:
    quiet = Sleeper(clock)
    slumber.awake(quiet)
    clock.pump([1.0] * 10)
    assert quiet.rested == [2]


def test_a_busy_connection_stays_awake_until_it_is_quiet(clock: Clock, slumber: Slumber) -> None:
    busy = Sleeper(clock)
    slumber.awake(busy)
    for _ in range(6):
        clock.advance(1)
        busy.act()
    assert busy.rested == []
    clock.pump([1.0] * 4)
    assert busy.rested == [8]


def test_who_is_gone_is_not_looked_at(clock: Clock, slumber: Slumber) -> None:
    gone = Sleeper(clock)
    slumber.awake(gone)
    slumber.forget(gone)
    assert clock.getDelayedCalls() == []
    clock.advance(2)
    assert gone.rested == []


def test_nothing_is_timed_while_all_rest(clock: Clock, slumber: Slumber) -> None:
    first, second = Sleeper(clock), Sleeper(clock)
    slumber.awake(first)
    slumber.awake(second)
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(2)
    assert clock.getDelayedCalls() == []
    slumber.awake(first)
    assert len(clock.getDelayedCalls()) == 1
