"""The order in which the targets of service records are tried (RFC 2782)."""

from __future__ import annotations

from collections import Counter
from random import Random

from gateway.net.dns.service_records import Offer, ServiceRecord, Tls, in_order


def offer(target: str, priority: int = 0, weight: int = 0, tls: Tls = "starttls") -> Offer:
    return Offer(record=ServiceRecord(priority=priority, weight=weight, port=5269, target=target), tls=tls)


def targets(offers: list[Offer]) -> list[str]:
    return [each.record.target for each in offers]


def firsts(offers: list[Offer], draws: int = 2000) -> Counter[str]:
    """Return how often each target comes first."""
    random = Random(2782)
    return Counter(targets(in_order(offers, random, 16))[0] for _ in range(draws))


def test_lower_priority_numbers_come_first_across_both_services() -> None:
    offers = [offer("c", 30), offer("a", 10, tls="direct"), offer("b", 20), offer("d", 40, tls="direct")]
    assert targets(in_order(offers, Random(), 16)) == ["a", "b", "c", "d"]


def test_weights_share_the_first_place_across_both_services() -> None:
    counts = firsts([offer("heavy", weight=75, tls="direct"), offer("light", weight=25)])
    assert 0.70 < counts["heavy"] / counts.total() < 0.80


def test_weight_zero_keeps_a_small_chance_beside_others() -> None:
    counts = firsts([offer("heavy", weight=9), offer("none", weight=0)])
    assert 0.05 < counts["none"] / counts.total() < 0.15


def test_equal_weights_of_zero_keep_every_server_in_the_list() -> None:
    offers = [offer("a"), offer("b"), offer("c")]
    assert sorted(targets(in_order(offers, Random(1), 16))) == ["a", "b", "c"]


def test_weights_never_lift_a_server_over_its_priority() -> None:
    assert set(firsts([offer("first", 1, 0), offer("second", 2, 65535)], draws=200)) == {"first"}


def test_only_the_best_priorities_are_kept() -> None:
    offers = [offer(str(priority), priority) for priority in range(50, 0, -1)]
    assert targets(in_order(offers, Random(), 3)) == ["1", "2", "3"]


def test_nothing_offered_is_nothing_ordered() -> None:
    assert in_order([], Random(), 16) == []
