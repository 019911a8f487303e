"""IdleParsers: connections on which nothing comes rest."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from gateway.net.connection.idle_parsers import IdleParsers


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
def idle_parsers(clock: Clock) -> IdleParsers:
    return IdleParsers(clock, 2)


def test_a_quiet_connection_rests_once(clock: Clock, idle_parsers: IdleParsers) -> None:
    quiet = Sleeper(clock)
    idle_parsers.awake(quiet)
    clock.pump([1.0] * 10)
    assert quiet.rested == [2]


def test_a_busy_connection_stays_awake_until_it_is_quiet(clock: Clock, idle_parsers: IdleParsers) -> None:
    busy = Sleeper(clock)
    idle_parsers.awake(busy)
    for _ in range(6):
        clock.advance(1)
        busy.act()
    assert busy.rested == []
    clock.pump([1.0] * 4)
    assert busy.rested == [8]


def test_who_is_gone_is_not_looked_at(clock: Clock, idle_parsers: IdleParsers) -> None:
    gone = Sleeper(clock)
    idle_parsers.awake(gone)
    idle_parsers.forget(gone)
    assert clock.getDelayedCalls() == []
    clock.advance(2)
    assert gone.rested == []


def test_nothing_is_timed_while_all_rest(clock: Clock, idle_parsers: IdleParsers) -> None:
    first, second = Sleeper(clock), Sleeper(clock)
    idle_parsers.awake(first)
    idle_parsers.awake(second)
    assert len(clock.getDelayedCalls()) == 1
    clock.advance(2)
    assert clock.getDelayedCalls() == []
    idle_parsers.awake(first)
    assert len(clock.getDelayedCalls()) == 1
