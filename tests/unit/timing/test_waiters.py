"""Waiters: who goes on, and when."""

from __future__ import annotations

from gateway.timing.waiters import Waiters


def test_all_go_on_in_the_order_in_which_they_came() -> None:
    waiters, went_on = Waiters(), list[int]()
    for number in range(3):
        waiters.wait().addCallback(lambda _, number=number: went_on.append(number))
    waiters.release()
    assert (went_on, len(waiters)) == ([0, 1, 2], 0)


def test_or_only_so_many() -> None:
    waiters, went_on = Waiters(), list[int]()
    for number in range(3):
        waiters.wait().addCallback(lambda _, number=number: went_on.append(number))
    waiters.release(2)
    assert (went_on, len(waiters)) == ([0, 1], 1)


def test_what_begins_to_wait_meanwhile_goes_on_waiting() -> None:
    waiters, again = Waiters(), list[object]()
    waiters.wait().addCallback(lambda _: again.append(waiters.wait()))
    waiters.release()
    assert (len(again), len(waiters)) == (1, 1)


def test_one_that_was_given_up_is_passed_over() -> None:
    waiters, given_up, went_on = Waiters(), list[object](), list[object]()
    first, second = waiters.wait(lambda wait: wait.errback(ValueError("no longer"))), waiters.wait()
    first.addErrback(given_up.append)
    second.addCallback(went_on.append)
    first.cancel()
    waiters.release()
    assert (len(given_up), went_on) == (1, [None])
