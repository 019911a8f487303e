"""Feature 3.3.1-2: our initial header has a 'to'; theirs must name a domain (RFC 6120 §4.7.2)."""

from __future__ import annotations

import pytest

from gateway.routing.policy import DomainRule, Domains, OutsidePolicy
from gateway.stream.facts import Role, Terms
from tests.support.talk import OURS, Talk, header, talk

DOOR = OutsidePolicy(Domains({OURS: DomainRule()}), lambda domain: Terms())


def knock(to: str | None) -> Talk:
    return talk(accept=DOOR.accept).hear(header(to=to))


def test_the_initial_header_says_who_is_called() -> None:
    assert b" to='theirs.test' " in talk(Role.INITIATING).open().sent


@pytest.mark.parametrize("to", ["ours.test", "OURS.test", "ours.test."])
def test_one_of_our_domains_is_answered(to: str) -> None:
    talking = knock(to)
    assert talking.error is None
    assert b" from='ours.test' " in talking.sent


@pytest.mark.parametrize(
    ("to", "condition"),
    [
        (None, "improper-addressing"),
        ("", "improper-addressing"),
        ("strange.test", "host-unknown"),
        ("user@ours.test", "host-unknown"),
        ("ours.test/resource", "host-unknown"),
        ("not a domain", "host-unknown"),
    ],
)
def test_whoever_is_called_else_is_not_there_and_has_no_name(to: str | None, condition: str) -> None:
    talking = knock(to)
    assert talking.error == condition
    assert b" from='' " in talking.sent
    assert talking.is_closed
