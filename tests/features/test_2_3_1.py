# ruff: noqa: RUF001  characters that resemble others are the point here
"""2.3-1: a resourcepart is prepared by OpaqueString, which keeps case (RFC 7622 §3.4; Resourceprep)."""

from __future__ import annotations

import stringprep
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.words.protocols.jabber.xmpp_stringprep import resourceprep

from gateway.addresses import Address, prepare_resource
from gateway.errors import MalformedAddress

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
    ("ＡＢＣ", "ＡＢＣ"),
    ("ﬁⅣ①", "ﬁⅣ①"),
    ("ßΣς", "ßΣς"),
    ("אa1", "אa1"),
    ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
]

# What OpaqueString refuses and Resourceprep drops, we drop.
DROPPED = [
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


@pytest.mark.parametrize(("text", "resource"), SPELLINGS + DROPPED)
def test_spelling_is_prepared(text: str, resource: str) -> None:
    assert prepare_resource(text) == resource
    assert Address.parse(f"alice@example.com/{text}").resource == resource


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_resourcepart_is_refused(text: str) -> None:
    with pytest.raises(MalformedAddress):
        prepare_resource(text)
    with pytest.raises(MalformedAddress):
        Address.parse(f"alice@example.com/{text}")


def agrees_with_resourceprep(text: str) -> bool:
    """Whether both define the same resourcepart, or at least one of them none."""
    try:
        return resourceprep.prepare(text) == prepare_resource(text)
    except (UnicodeError, MalformedAddress):
        return True


def is_compatibility_form(character: str) -> bool:
    """Resourceprep replaces these (NFKC), OpaqueString keeps them (NFC)."""
    return unicodedata.normalize("NFKC", character) != unicodedata.normalize("NFC", character)


@pytest.mark.parametrize("pattern", ["{}", "a{}a"])
def test_every_character_agrees_with_resourceprep(pattern: str) -> None:
    characters = [chr(code) for code in range(0xD800) if not stringprep.in_table_a1(chr(code))]
    differing = {character for character in characters if not agrees_with_resourceprep(pattern.format(character))}
    assert {c for c in differing if not is_compatibility_form(c)} == {"\u1806"}  # dropped there, punctuation here
    assert set("ªⅣ①") <= differing


@settings(deadline=None, max_examples=300)
@given(
    st.text(
        st.sampled_from("aB1 -./@ßςÀéÉΣΩωЖж漢字アァ각♚\u00a0\u0301\u0308\u00ad\u2060\ufe0f"), min_size=1, max_size=12
    )
)
def test_names_agree_with_resourceprep(text: str) -> None:
    assert agrees_with_resourceprep(text)
