"""H-02, the part of addresses: domains are prepared before they are hashed, and joined domains come apart again."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.xmpp.addresses import DomainPair, prepare_domain
from gateway.xmpp.errors import MalformedAddress
from tests.support.addresses import any_text, other_spellings

NAMES = ["example.com", "bücher.example", "sm", "a.b", "b.a", "192.0.2.1", "[2001:db8::1]"]


def test_h_02_every_spelling_is_one_pair() -> None:
    target = prepare_domain("bücher.example")
    pairs = {DomainPair.make(spelling, spelling) for spelling in other_spellings(target)}
    assert pairs == {DomainPair(target, target)}


@settings(deadline=None, max_examples=300)
@given(any_text)
def test_h_02_no_domain_holds_what_joins_fields(text: str) -> None:
    """So that `target sender id`, joined by spaces, belongs to one pair alone (XEP-0185)."""
    try:
        domain = prepare_domain(text)
    except MalformedAddress:
        return
    assert not set(domain) & set(" \t\r\n\x00@/'\"<>&")


@given(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(NAMES))
def test_h_02_different_pairs_are_different_keys(a: str, b: str, c: str, d: str) -> None:
    first, second = DomainPair.make(a, b), DomainPair.make(c, d)
    assert (first == second) == ((a, b) == (c, d))
    assert (" ".join(first) == " ".join(second)) == (first == second)
