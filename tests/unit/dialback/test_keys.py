"""Dialback keys: made from the pair, the stream and a secret, and from nothing else (XEP-0185 §3)."""

from __future__ import annotations

import hmac
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialback.keys import KeyMaker
from gateway.xmpp.addresses import Domain, DomainPair
from tests.support.elements import xml_text

SECRET = b"s3cr3tf0rd14lb4ck"
MAKER = KeyMaker(SECRET)
PAIR = DomainPair(Domain("example.org"), Domain("xmpp.example.com"))
ID = "D60000229F"

# Few parts, so that many of the triples look alike when their parts are joined carelessly.
domains = st.sampled_from(["a", "b", "a.b", "b.a", "ab", "a.b.a", "xn--a", "[::1]", "bücher.example"])
stream_ids = st.sampled_from(["", "a", " a", "a b", "b a", "a b a", "a.b"]) | xml_text
triples = st.tuples(domains, domains, stream_ids)


def key(sender: str, target: str, stream_id: str) -> str:
    return MAKER.key(DomainPair(Domain(sender), Domain(target)), stream_id)


def test_a_key_is_64_hexadecimal_digits_and_always_the_same() -> None:
    made = MAKER.key(PAIR, ID)
    assert len(made) == 64
    assert made == MAKER.key(PAIR, ID) == KeyMaker(SECRET).key(PAIR, ID)
    int(made, 16)


@given(triples, triples)
def test_h_02_two_different_triples_have_different_keys(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert (key(*one) == key(*other)) == (one == other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("maker", "pair", "stream_id"),
    [
        (KeyMaker(SECRET + b"!"), PAIR, ID),
        (MAKER, PAIR.reversed(), ID),
        (MAKER, PAIR._replace(sender=Domain("other.org")), ID),
        (MAKER, PAIR, ID.lower()),
    ],
)
def test_another_secret_pair_or_stream_has_another_key(maker: KeyMaker, pair: DomainPair, stream_id: str) -> None:
    assert maker.key(pair, stream_id) != MAKER.key(PAIR, ID)
    assert not maker.is_key(pair, stream_id, MAKER.key(PAIR, ID))


@pytest.mark.parametrize("wrong", ["", "0" * 64, "é", MAKER.key(PAIR, ID).upper(), MAKER.key(PAIR, ID) + "0"])
def test_only_the_key_is_the_key(wrong: str) -> None:
    assert MAKER.is_key(PAIR, ID, MAKER.key(PAIR, ID))
    assert not MAKER.is_key(PAIR, ID, wrong)


def test_h_05_keys_are_compared_in_constant_time() -> None:
    with patch.object(hmac, "compare_digest", wraps=hmac.compare_digest) as compare:
        MAKER.is_key(PAIR, ID, "0" * 64)
    assert compare.call_count == 1


def test_a_short_secret_is_refused_and_none_is_shown() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        KeyMaker(b"short")
    assert SECRET.decode() not in repr(vars(MAKER))
    assert repr(MAKER) == "<KeyMaker>"
