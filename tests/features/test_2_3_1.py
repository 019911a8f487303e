# ruff: noqa: RUF001  characters that resemble others are the point here
"""2.3-1: a resourcepart is what Resourceprep makes of it (RFC 6122 §B), where RFC 7622 §3.4 allows both."""

from __future__ import annotations

import stringprep

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from precis_i18n import get_profile
from twisted.words.protocols.jabber.xmpp_stringprep import resourceprep

from gateway.xmpp.addresses import Address, prepare_resource
from gateway.xmpp.errors import MalformedAddress
from tests.support.addresses import TwoRules, any_text, put_into, result

RULES = TwoRules(precis=get_profile("OpaqueString").enforce, stringprep=resourceprep.prepare)

SPELLINGS = [
    ("phone", "phone"),
    ("Phone", "Phone"),
    ("foo bar", "foo bar"),
    (" foo ", " foo "),
    ("foo\u00a0bar", "foo bar"),
    ("foo\u3000bar", "foo bar"),
    ("a/b@c", "a/b@c"),
    ("\"&'/:<>@", "\"&'/:<>@"),
    ("E\u0301", "É"),
    ("♚", "♚"),
    ("😀", "😀"),
    ("ＡＢＣ", "ABC"),
    ("ﬁⅣ①", "fiIV1"),
    ("①", "1"),
    ("／＠", "/@"),
    ("ßΣς", "ßΣς"),
    ("אa1", "אa1"),
    ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u0937"),
    ("a\u1806b", "ab"),
]

# Texts for which RFC 7622's result stays.
ONLY_PRECIS = [
    ("①😀", "①😀"),  # Unicode 3.2 has no 😀
    ("①\ufffd", "①\ufffd"),  # RFC 3454 C.6
    ("①\u2ff0", "①\u2ff0"),  # RFC 3454 C.7
    ("אa①א", "אa①א"),  # letters of two directions
    ("א①", "א①"),  # begins with a letter from right to left, and does not end with one
    ("①\u3131", "①\u3131"),  # RFC 7622 has no old letters of Hangul
    ("\u1806", "\u1806"),  # nothing would be left of it
    ("\ufdfa" * 341, "\ufdfa" * 341),  # each would become eighteen characters
]

# What OpaqueString refuses and Resourceprep drops, we drop.
DROPPED = [
    ("①\ufe0f", "1"),
    ("❤\ufe0f", "❤"),
    ("👩\u200d💻", "👩💻"),
    ("a\u00adb", "ab"),
    ("\ufeffphone", "phone"),
    ("a\u200bb\u2060c", "abc"),
]

REFUSED = [
    "",
    "a\x00",
    "a\tb",
    "a\nb",
    "\x7f",
    "\x85",
    "\u202ea",
    "\ufffe",
    "\ue000",
    "\u200b",
    "\u2028",
    "a·b",
    "\U000e0041",
]


@pytest.mark.parametrize(("text", "resource"), SPELLINGS + ONLY_PRECIS + DROPPED)
def test_spelling_is_prepared(text: str, resource: str) -> None:
    assert prepare_resource(text) == resource
    assert Address.parse(f"alice@example.com/{text}").resource == resource


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_resourcepart_is_refused(text: str) -> None:
    with pytest.raises(MalformedAddress):
        prepare_resource(text)
    with pytest.raises(MalformedAddress):
        Address.parse(f"alice@example.com/{text}")


@pytest.mark.parametrize("pattern", ["{}", "a{}a", "א{}א"])
def test_every_character_is_what_resourceprep_makes_of_it(pattern: str) -> None:
    """Some stay: OpaqueString would refuse old letters of Hangul, the Arabic tatweel, or dots without their letters."""
    texts = [text for text in put_into(pattern) if RULES.both_define(text)]
    staying = [text for text in texts if prepare_resource(text) != resourceprep.prepare(text)]
    assert {result(RULES.precis, resourceprep.prepare(text)) for text in staying} == {None}
    assert {prepare_resource(text) for text in staying} == set(map(RULES.precis, staying))
    assert len(staying) < 200 < len(texts)


@settings(deadline=None, max_examples=500)
@given(
    st.one_of(
        any_text,
        st.text(
            st.sampled_from("aB1 -./@ßςÀéÉΣΩωЖж漢字アァ각♚①ﬁＡ\ufffd\u3131א\u00a0\u0301\u0308\u00ad\u2060\ufe0f"),
            max_size=12,
        ),
    )
)
def test_text_is_what_resourceprep_makes_of_it(text: str) -> None:
    prepared = result(prepare_resource, text)
    if RULES.both_define(text) and RULES.stringprep_lasts(text):
        assert prepared == resourceprep.prepare(text)
    if prepared is not None:
        assert RULES.precis(prepared) == prepared


@settings(deadline=None, max_examples=300)
@given(any_text)
def test_text_that_rfc_7622_refuses_is_refused(text: str) -> None:
    """Unless it does so for what Resourceprep drops."""
    visible = "".join(character for character in text if not stringprep.in_table_b1(character))
    if result(RULES.precis, text) is None and result(RULES.precis, visible) is None:
        assert result(prepare_resource, text) is None
