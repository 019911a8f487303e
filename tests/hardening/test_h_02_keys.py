"""H-02: a key belongs to one triple of target, sender and stream id, however domains are spelt (CVE-2016-0756)."""

from __future__ import annotations

from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from gateway.dialback.keys import KeyMaker
from gateway.xmpp.addresses import DomainPair, MalformedAddress, prepare_domain
from tests.support.addresses import any_text, other_spellings

MAKER = KeyMaker(b"0123456789abcdef")


@given(any_text, any_text, any_text, any_text, any_text)
def test_h_02_moving_text_from_one_field_to_the_next_makes_another_key(
    target: str, sender: str, stream_id: str, first: str, second: str
) -> None:
    try:
        one = (DomainPair.make(sender + first, target), second + stream_id)
        other = (DomainPair.make(sender, target), first + second + stream_id)
    except MalformedAddress:
        return
    assert (MAKER.key(*one) == MAKER.key(*other)) == (one == other)


def test_h_02_no_two_of_many_lookalikes_share_a_key() -> None:
    parts = ["a", "b", "a.b", "b.a", "a.b.a", "1.a", "aa", "xn--a-0"]
    triples = list(product(parts[:-1], parts[:-1], ["", *parts, "a b", " a", "a ", "b a a"]))
    keys = {MAKER.key(DomainPair.make(sender, target), stream_id) for target, sender, stream_id in triples}
    assert len(keys) == len(triples)


@given(st.sampled_from(["ours.test", "bücher.example"]), st.sampled_from(["s", ""]))
def test_h_02_every_spelling_of_a_domain_has_the_same_key(domain: str, stream_id: str) -> None:
    target = prepare_domain(domain)
    spellings = [domain, *other_spellings(target)]
    keys = {MAKER.key(DomainPair.make(one, other), stream_id) for one, other in product(spellings, repeat=2)}
    assert len(keys) == 1
