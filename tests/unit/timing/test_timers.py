"""Timers by name."""

from __future__ import annotations

from twisted.internet.task import Clock

from gateway.timing.timers import Timer, Timers


class Owner:
    """Has timers, and notes what they do."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.timers = Timers(self.clock)
        self.log: list[str] = []

    def start(self, name: str, seconds: float) -> None:
        self.timers.start(name, seconds, lambda: self.log.append(f"{name} at {self.clock.seconds():g}"))


def test_each_runs_once_and_is_gone() -> None:
    owner = Owner()
    owner.start("a", 1)
    owner.start("b", 2)
    owner.clock.advance(1)
    assert owner.log == ["a at 1"]
    assert "a" not in owner.timers
    assert len(owner.timers) == 1
    owner.clock.advance(10)
    assert owner.log == ["a at 1", "b at 11"]


def test_starting_anew_begins_the_time_again() -> None:
    owner = Owner()
    owner.start("a", 3)
    owner.clock.advance(2)
    owner.start("a", 3)
    owner.clock.advance(2)
    assert owner.log == []
    owner.clock.advance(1)
    assert owner.log == ["a at 5"]


def test_one_may_start_itself_again() -> None:
    owner = Owner()
    owner.timers.start("a", 1, lambda: owner.start("a", 1))
    owner.clock.pump([1, 1])
    assert owner.log == ["a at 2"]


def test_what_is_stopped_does_not_come() -> None:
    owner = Owner()
    for name in "abc":
        owner.start(name, 1)
    owner.timers.stop("a", "b", "never started")
    owner.clock.advance(1)
    assert owner.log == ["c at 1"]


def test_none_outlives_its_owner() -> None:
    owner = Owner()
    owner.start("a", 1)
    owner.timers.end()
    owner.start("b", 1)
    assert owner.clock.getDelayedCalls() == []
    assert len(owner.timers) == 0


def test_one_alone_runs_once_and_begins_anew_when_it_is_started_again() -> None:
    clock, log = Clock(), list[str]()
    timer = Timer(clock)
    assert not timer.is_running
    timer.start(1, lambda: log.append("first"))
    timer.start(2, lambda: log.append("second"))
    assert timer.is_running
    clock.advance(2)
    assert log == ["second"]
    assert not timer.is_running


def test_one_alone_is_stopped_as_often_as_one_likes_and_may_start_itself() -> None:
    clock, log = Clock(), list[float]()
    timer = Timer(clock)

    def again() -> None:
        log.append(clock.seconds())
        timer.start(1, again)

    timer.start(1, again)
    clock.pump([1, 1])
    timer.stop()
    timer.stop()
    clock.advance(5)
    assert log == [1, 2]
    assert clock.getDelayedCalls() == []
