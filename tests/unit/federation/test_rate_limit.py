"""The pauses in reading from a peer that sends more than it may."""

from __future__ import annotations

import pytest

from gateway.federation.rate_limit import RateLimit


def test_who_keeps_to_the_rate_is_read_all_the_time() -> None:
    limit = RateLimit(10, 0)
    assert [limit.took(10, now) for now in range(1, 20)] == [0] * 19


def test_a_burst_of_one_second_is_free_and_what_is_more_is_waited_for() -> None:
    limit = RateLimit(10, 0)
    assert limit.took(10, 0) == 0
    assert limit.took(30, 0) == pytest.approx(3)


def test_silence_earns_no_more_than_one_burst() -> None:
    limit = RateLimit(10, 0)
    assert limit.took(30, 1000) == pytest.approx(2)


def test_in_the_long_run_the_rate_holds() -> None:
    limit, now = RateLimit(7, 0.0), 0.0
    for _ in range(100):
        now += limit.took(21, now)
    assert now == pytest.approx(100 * 21 / 7, abs=1)
