"""Waiting before a domain is tried again."""

from __future__ import annotations

from random import Random

import pytest

from gateway.federation.backoff import Backoff, Waits
from gateway.federation.delivery_failures import DeliveryFailed
from gateway.xmpp.addresses import Domain, DomainPair

WAITS = Waits(first=10, longest=100)
DOMAIN = "example.com"


class Always(Random):
    """Chance that always falls on the same share of what is possible."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share = share

    def random(self) -> float:
        return self._share


def failures_in_a_row(backoff: Backoff, count: int) -> list[float]:
    """The waits after each of that many failures, every one as soon as the domain may be tried again."""
    now, waits = 0.0, []
    for _ in range(count):
        retry_at = backoff.failed(DOMAIN, now)
        waits.append(retry_at - now)
        now = retry_at
    return waits


def test_unknown_domain_may_be_tried() -> None:
    assert Backoff(WAITS, Random()).retry_at(DOMAIN, 0) is None


@pytest.mark.parametrize(
    ("share", "waits"),
    [
        (0.0, [0, 10, 20, 40, 50, 50]),
        (0.5, [5, 15, 30, 60, 75, 75]),
        (1.0, [10, 20, 40, 80, 100, 100]),
    ],
)
def test_waits_double_up_to_the_longest(share: float, waits: list[float]) -> None:
    assert failures_in_a_row(Backoff(WAITS, Always(share)), 6) == waits


def test_first_wait_is_spread_from_nothing_to_its_bound() -> None:
    waits = [Backoff(WAITS, Random(seed)).failed(DOMAIN, 0) for seed in range(200)]
    assert min(waits) < 1
    assert max(waits) > 9
    assert all(0 <= wait <= 10 for wait in waits)


def test_domain_waits_until_its_time() -> None:
    backoff = Backoff(WAITS, Always(1))
    backoff.failed(DOMAIN, 100)
    assert backoff.retry_at(DOMAIN, 109.9) == 110
    assert backoff.retry_at(DOMAIN, 110) is None
    assert backoff.waiting(105) == {DOMAIN: 110}
    assert backoff.waiting(110) == {}


def test_domains_wait_each_for_itself() -> None:
    backoff = Backoff(WAITS, Always(1))
    backoff.failed(DOMAIN, 0)
    assert backoff.retry_at("example.net", 0) is None


def test_reached_ends_the_wait_and_starts_again_from_the_first() -> None:
    backoff = Backoff(WAITS, Always(1))
    failures_in_a_row(backoff, 4)
    backoff.reached(DOMAIN)
    assert backoff.retry_at(DOMAIN, 0) is None
    assert backoff.failed(DOMAIN, 0) == 10


def test_failure_of_an_older_attempt_does_not_lengthen_the_wait() -> None:
    backoff = Backoff(WAITS, Always(1))
    backoff.failed(DOMAIN, 0)
    assert backoff.failed(DOMAIN, 5) == 10


def test_old_failures_are_forgotten() -> None:
    backoff = Backoff(WAITS, Always(1))
    failures_in_a_row(backoff, 3)  # until 70
    assert backoff.failed(DOMAIN, 70 + 101) == 171 + 10


def test_many_failures_do_not_overflow() -> None:
    assert Waits(first=1, longest=60).after(100_000, Always(1)) == 60


def test_table_is_bounded_and_drops_the_oldest_failure() -> None:
    backoff = Backoff(WAITS, Always(1), most=2)
    for domain in ("a.example", "b.example", "c.example"):
        backoff.failed(domain, 0)
    assert backoff.waiting(0) == {"b.example": 10, "c.example": 10}


@pytest.mark.parametrize(("first", "longest"), [(0, 10), (-1, 10), (20, 10)])
def test_nonsensical_waits_cannot_be_built(first: float, longest: float) -> None:
    with pytest.raises(ValueError, match="first wait"):
        Waits(first=first, longest=longest)


def test_an_operator_can_have_a_domain_tried_in_every_pair_or_all_domains() -> None:
    backoff = Backoff(Waits(first=10, longest=80), Random(1))
    pair = DomainPair(Domain("im.test"), Domain("far.test"))
    for whom in ("far.test", pair, "other.test"):
        while backoff.retry_at(whom, 0) is None:
            backoff.failed(whom, 0)
    backoff.forget("far.test")
    assert set(backoff.waiting(0)) == {"other.test"}
    backoff.forget()
    assert backoff.waiting(0) == {}


# What is waited for, and why.


def test_the_cause_is_remembered_as_long_as_the_wait() -> None:
    backoff = Backoff(WAITS, Always(1))
    cause = DeliveryFailed("10.0.0.5:5269 refused")
    backoff.failed(DOMAIN, 0, cause)
    wait = backoff.wait(DOMAIN, 5)
    assert wait is not None
    assert (wait.failures, wait.retry_at, wait.cause) == (1, 10, cause)
    assert backoff.wait(DOMAIN, 10) is None


def test_a_pair_is_waited_for_by_itself() -> None:
    backoff = Backoff(WAITS, Always(1))
    pair = DomainPair(Domain("ours.test"), Domain(DOMAIN))
    backoff.failed(pair, 0)
    assert backoff.wait(DOMAIN, 5) is None
    assert backoff.wait(pair, 5) is not None
    assert backoff.wait(DomainPair(Domain("other.test"), Domain(DOMAIN)), 5) is None


def test_who_is_reached_had_perhaps_been_waited_for() -> None:
    backoff = Backoff(WAITS, Always(1))
    assert not backoff.reached(DOMAIN)
    backoff.failed(DOMAIN, 0)
    assert backoff.reached(DOMAIN)
    assert not backoff.reached(DOMAIN)
