"""Long work in turns."""

from __future__ import annotations

import time
from collections.abc import Iterator

from twisted.internet.task import Clock

from gateway.timing.turns import Turns


def slow(count: int) -> Iterator[int]:
    for number in range(count):
        time.sleep(0.004)
        yield number


def test_what_takes_long_is_done_in_several_turns() -> None:
    clock = Clock()
    gathering = Turns(clock).gather(slow(10))
    turns = 0
    while not gathering.called:
        [turn] = clock.getDelayedCalls()
        clock.calls.clear()
        turn.func()
        turns += 1
    assert 3 <= turns <= 10
    assert gathering.result == list(range(10))  # type: ignore[attr-defined]
