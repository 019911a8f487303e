"""Strangers who have proved a domain, which costs little: they have a share of the verifications like everybody."""

from __future__ import annotations

import pytest

from gateway.federation.verification_places import Asker, VerificationPlaces

MOST = 1000


def taken(places: VerificationPlaces, *asked: tuple[str, str], is_proved: bool = True) -> int:
    """Return how many of these, each an address and a domain whose key is to be verified, get a place."""
    answers = [places.take(Asker(address=address, is_proved=is_proved), domain, 0) for address, domain in asked]
    return answers.count("")


@pytest.mark.parametrize(
    "asked",
    [
        [("192.0.2.1", f"{number}.test{number}") for number in range(3 * MOST)],
        [(f"10.0.{number // 250}.{number % 250}", f"n{number}.evil.test") for number in range(3 * MOST)],
    ],
    ids=["one address", "one domain and those below it"],
)
def test_one_of_them_leaves_half_to_others(asked: list[tuple[str, str]]) -> None:
    places = VerificationPlaces(MOST)
    assert taken(places, *asked) == MOST // 2
    assert taken(places, ("198.51.100.1", "honest.example"), ("198.51.100.2", "first.example2")) == 2
    assert taken(places, ("198.51.100.3", "first.example3"), is_proved=False) == 1
    assert not places.take(Asker(), "asked.by.us", 0)


def test_places_are_given_back() -> None:
    places = VerificationPlaces(MOST)
    asker = Asker(address="192.0.2.1", is_proved=True)
    for _ in range(3):
        count = taken(places, *[(asker.address, "evil.test")] * MOST)
        assert count == MOST // 2
        for _ in range(count):
            places.give_back(asker, "evil.test")
