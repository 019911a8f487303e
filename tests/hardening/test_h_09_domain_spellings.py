# ruff: noqa: RUF001  characters that resemble others are the point here
"""H-09, the part of addresses: one of our domains is recognised in whatever spelling it comes."""

from __future__ import annotations

import pytest

from gateway.xmpp.addresses import Address, AddressCache, prepare_domain
from tests.support.addresses import other_spellings

OURS = [prepare_domain(text) for text in ("example.com", "bücher.example", "echo.straße.example", "sm")]


@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("pattern", ["{}", "alice@{}", "{}/phone", "alice@{}/phone", "ALICE@{}/a@b"])
def test_own_domain_is_recognised(ours: str, pattern: str) -> None:
    own = frozenset(OURS)
    for spelling in other_spellings(prepare_domain(ours)):
        text = pattern.format(spelling)
        assert Address.parse(text).domain in own, text
        assert AddressCache().read(f"'{text}'".encode()).domain == ours


@pytest.mark.parametrize(
    "lookalike", ["example.com.evil.example", "xexample.com", "exаmple.com", "example.co", "example.com-"]
)
def test_lookalike_is_not_taken_for_it(lookalike: str) -> None:
    try:
        domain = prepare_domain(lookalike)
    except ValueError:
        return
    assert domain not in OURS
