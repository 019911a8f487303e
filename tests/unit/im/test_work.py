"""The queue of one account: in order, bounded, and never stuck."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.im.work import Backlog, Later, WorkQueue


class Log:
    """Steps that note when they begin and end; those with a Deferred wait for it."""

    def __init__(self, most: int = 10) -> None:
        self.notes: list[str] = []
        self.backlog = Backlog(4)
        self.queue = WorkQueue(self.backlog, most, lambda: self.notes.append("resumed"))

    def add(self, name: str, wait: Deferred[None] | None = None, then: Callable[[], None] | None = None) -> None:
        def step() -> Later:
            self.notes.append(name)
            if then is not None:
                then()
            return waiting() if wait is not None else None

        async def waiting() -> None:
            assert wait is not None
            await wait
            self.notes.append(f"{name} ends")

        self.queue.run(step, lambda failure: self.failed(name, failure))

    def failed(self, name: str, failure: Failure) -> None:
        self.notes.append(f"{name}: {failure.getErrorMessage()}")


def test_step_that_waits_for_nothing_is_done_at_once() -> None:
    log = Log()
    log.add("a")
    assert (log.notes, log.queue.is_idle) == (["a"], True)


def test_steps_behind_one_that_waits_keep_their_order() -> None:
    log, wait = Log(), Deferred[None]()
    log.add("a", wait)
    log.add("b")
    log.add("c")
    assert (log.notes, log.queue.is_idle, log.backlog.waiting) == (["a"], False, 2)
    wait.callback(None)
    assert log.notes == ["a", "a ends", "b", "c", "resumed"]
    assert (log.queue.is_idle, log.backlog.waiting) == (True, 0)


def test_step_that_was_answered_before_it_waits_is_done_at_once() -> None:
    log, wait = Log(), Deferred[None]()
    wait.callback(None)
    log.add("a", wait)
    assert (log.notes, log.queue.is_idle) == (["a", "a ends"], True)


def test_step_that_is_added_by_another_comes_after_it_and_after_those_that_wait() -> None:
    log, wait = Log(), Deferred[None]()
    log.add("a", wait)
    log.add("b", then=lambda: log.add("d"))
    log.add("c")
    wait.callback(None)
    assert log.notes == ["a", "a ends", "b", "c", "d", "resumed"]


def test_failure_is_told_and_the_next_step_taken() -> None:
    log, wait = Log(), Deferred[None]()

    def break_() -> None:
        raise ValueError("broken")

    log.add("a", then=break_)
    log.add("b", wait)
    log.add("c", then=break_)
    log.add("d")
    wait.errback(ValueError("no answer"))
    assert log.notes == ["a", "a: broken", "b", "b: no answer", "c", "c: broken", "d", "resumed"]
    assert log.queue.is_idle


def test_too_many_steps_are_refused_but_not_those_that_insist() -> None:
    log, wait = Log(most=1), Deferred[None]()
    for name in "abc":
        log.add(name, wait if name == "a" else None)
    assert log.notes == ["a", "c: resource-constraint: too much is waiting for this account"]
    log.queue.insist(lambda: log.notes.append("leave"), lambda failure: None)
    wait.callback(None)
    assert log.notes[2:] == ["a ends", "b", "leave", "resumed"]


def test_long_queue_needs_no_deep_stack() -> None:
    log, wait = Log(most=50_000), Deferred[None]()
    log.add("a", wait)
    done = Deferred[None]()
    done.callback(None)
    for number in range(20_000):
        log.add(str(number), done)
    wait.callback(None)
    assert log.queue.is_idle
    assert len(log.notes) == 40_003


def test_backlog_pauses_and_goes_on_when_half_is_done() -> None:
    log, waits = Log(), [Deferred[None]() for _ in range(6)]
    assert log.backlog.room() is None
    for number, wait in enumerate(waits):
        log.add(str(number), wait)
    pause = log.backlog.room()
    assert pause is not None
    going_on: list[None] = []
    pause.addCallback(going_on.append)
    for wait in waits[:2]:
        wait.callback(None)
    assert going_on == []
    waits[2].callback(None)
    assert going_on == [None]
    assert log.backlog.room() is None


def test_all_is_clear_when_nothing_waits() -> None:
    log = Log()
    log.add("a")
    assert log.backlog.cleared() is None


def test_all_is_clear_when_what_waited_is_done_and_what_came_of_it_in_another_queue() -> None:
    first, second = Log(), Log()
    second.queue = WorkQueue(first.backlog, 10, lambda: None)
    waits: list[Deferred[None]] = [Deferred(), Deferred(), Deferred()]
    first.add("a", waits[0])
    first.add("b", then=lambda: second.add("c", waits[1]))
    cleared = first.backlog.cleared()
    assert cleared is not None
    cleared.addCallback(lambda _: first.notes.append("clear"))
    first.add("later", waits[2])
    waits[0].callback(None)
    assert (first.notes, second.notes) == (["a", "a ends", "b", "later", "resumed"], ["c"])
    waits[1].callback(None)
    assert "clear" not in first.notes
    waits[2].callback(None)
    assert first.notes[-3:] == ["later ends", "clear", "resumed"]
    assert (first.backlog.busy, first.backlog.waiting) == (set(), 0)
