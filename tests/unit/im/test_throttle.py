"""The throttle: a burst at once, then one in a number of seconds, and always the last."""

from __future__ import annotations

from twisted.internet.task import Clock

from gateway.im.throttle import Throttle


class Updates:
    """Updates that are noted with the time at which they were made."""

    def __init__(self, burst: int = 2, seconds: float = 10) -> None:
        self.clock = Clock()
        self.made: list[tuple[float, str]] = []
        self.throttle = Throttle(self.clock, burst, seconds)

    def submit(self, name: str) -> None:
        if self.throttle.lets_pass():
            self.made.append((self.clock.seconds(), name))
        else:
            self.throttle.postpone(lambda: self.made.append((self.clock.seconds(), name)))


def test_burst_passes_and_the_last_of_the_rest_follows() -> None:
    updates = Updates()
    for name in "abcde":
        updates.submit(name)
    assert updates.made == [(0, "a"), (0, "b")]
    updates.clock.advance(10)
    assert updates.made[2:] == [(10, "e")]
    updates.clock.advance(100)
    assert len(updates.made) == 3


def test_nothing_overtakes_what_is_held() -> None:
    updates = Updates()
    for name in "abc":
        updates.submit(name)
    updates.clock.advance(9)
    updates.submit("d")
    updates.clock.advance(1)
    assert updates.made[2:] == [(10, "d")]


def test_nothing_overtakes_what_is_held_even_when_its_timer_is_late() -> None:
    updates = Updates()
    for name in "abc":
        updates.submit(name)
    updates.clock.rightNow += 30
    updates.submit("d")
    assert len(updates.made) == 2
    updates.clock.advance(0)
    assert updates.made[2:] == [(30, "d")]


def test_rate_is_kept_over_time_and_the_burst_comes_back() -> None:
    updates = Updates()
    for number in range(100):
        updates.submit(str(number))
        updates.clock.advance(1)
    assert 2 + 9 <= len(updates.made) <= 2 + 10
    updates.clock.advance(1000)
    updates.made.clear()
    for name in "abc":
        updates.submit(name)
    assert [name for _, name in updates.made] == ["a", "b"]


def test_stopped_throttle_holds_nothing() -> None:
    updates = Updates()
    for name in "abc":
        updates.submit(name)
    updates.throttle.stop()
    updates.throttle.stop()
    updates.clock.advance(100)
    assert [name for _, name in updates.made] == ["a", "b"]
    assert updates.clock.getDelayedCalls() == []
