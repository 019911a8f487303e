"""The place where a call holds up the event loop: found by a real thread, in real time."""

from __future__ import annotations

import re
import threading
import time
import weakref
from collections.abc import Callable

from gateway.timing.block_watch import BlockWatch

PATIENCE = 30.0  # of a busy machine
NAME = "block watch"


class Sleeper:
    """Holds everything up until its place is known."""

    def work(self, until: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not until() and time.monotonic() < end:
            time.sleep(0.01)


def watched(subject: object, before: Callable[[BlockWatch], None] = lambda watch: None) -> str:
    """Return the place where a call of Sleeper was found, on behalf of `subject`."""
    watch = BlockWatch(time.monotonic)
    watch.enter("test")
    try:
        before(watch)
        call = (time.monotonic(), subject)
        watch.begin(call)
        Sleeper().work(lambda: bool(watch.place_of(call)))
        watch.call = None
        return watch.place_of(call)
    finally:
        watch.leave("test")


def test_the_line_of_the_service_is_found() -> None:
    place = watched(Sleeper())
    assert re.fullmatch(rf"{re.escape(__file__)}:\d+ in \S+: \S.*", place), place


def test_the_thread_sleeps_while_no_call_runs_and_the_next_call_wakes_it() -> None:
    def asleep(watch: BlockWatch) -> None:
        Sleeper().work(lambda: not watch._awake.is_set())
        assert not watch._awake.is_set()

    assert watched(Sleeper(), asleep)


def test_if_nothing_is_of_its_package_the_innermost_line_is_found() -> None:
    assert ":" in watched(object())


def test_a_short_call_has_no_place() -> None:
    watch = BlockWatch(time.monotonic)
    assert watch.place_of((time.monotonic(), Sleeper())) == ""


def threads() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == NAME}


def test_the_thread_runs_as_long_as_somebody_needs_it() -> None:
    before = threads()  # of tests that are over; they end when they look next
    watch = BlockWatch(time.monotonic)
    for user in ("one", "other"):
        watch.enter(user)
    assert len(threads() - before) == 1
    watch.leave("one")
    assert not watch._ended.is_set()
    for user in ("other", "other"):
        watch.leave(user)
    assert watch._ended.is_set()
    end = time.monotonic() + PATIENCE
    while threads() - before and time.monotonic() < end:
        time.sleep(0.01)
    assert not threads() - before
    watch.enter("one")
    assert len(threads() - before) == 1
    watch.leave("one")


def test_nothing_of_the_stack_is_kept() -> None:
    subject = Sleeper()
    gone = weakref.ref(subject)
    assert watched(subject)
    del subject
    end = time.monotonic() + PATIENCE
    while gone() is not None and time.monotonic() < end:  # the thread may be looking just now
        time.sleep(0.01)
    assert gone() is None
