# ruff: noqa: RUF001  characters that resemble others are the point here
"""2.2-1: a localpart is prepared by UsernameCaseMapped and has none of nine characters (RFC 7622 §3.3; Nodeprep)."""

from __future__ import annotations

import stringprep
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.words.protocols.jabber.xmpp_stringprep import nodeprep

from gateway.addresses import Address, prepare_local
from gateway.errors import MalformedAddress

IOTA_SUBSCRIPT = "\u0345"

SPELLINGS = [
    ("alice", "alice"),
    ("ALICE", "alice"),
    ("ＡＬＩＣＥ", "alice"),
    ("ｱﾘｽ", "アリス"),
    ("a.b-c_d+e~f", "a.b-c_d+e~f"),
    ("!#$%()*,;=?[\\]^`{|}", "!#$%()*,;=?[\\]^`{|}"),
    ("ÉLODIE", "élodie"),
    ("E\u0301lodie", "élodie"),
    ("fußball", "fußball"),
    ("FUSSBALL", "fussball"),
    ("π", "π"),
    ("Σ", "σ"),
    ("ς", "ς"),
    ("ΑΣ", "ας"),
    ("ЖАННА", "жанна"),
    ("\u212aelvin", "kelvin"),
    ("דוד", "דוד"),
    ("علي", "علي"),
    ("l·l", "l·l"),
    ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
]

REFUSED = [
    "",
    " ",
    "foo bar",
    "foo\u00a0bar",
    "foo\u3000bar",
    "foo\tbar",
    "foo\x7f",
    "henry\u2163",
    "♚",
    "ﬁ",
    "①",
    "😀",
    "a\u00adb",
    "a\u200bb",
    "a\u200db",
    "a\ufe0fb",
    "a·b",
    "אa",
    "1א",
    "٠۱",
    "\u1100\u1161\u11a8x\u1100",
    "\ufeffa",
    "\ue000",
    "\u202ea",
]


@pytest.mark.parametrize(("text", "local"), SPELLINGS)
def test_spelling_is_prepared(text: str, local: str) -> None:
    assert prepare_local(text) == local
    assert Address.parse(f"{text}@example.com").local == local


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_localpart_is_refused(text: str) -> None:
    with pytest.raises(MalformedAddress):
        prepare_local(text)
    with pytest.raises(MalformedAddress):
        Address.parse(f"{text}@example.com")


@pytest.mark.parametrize("character", "\"&'/:<>@")
@pytest.mark.parametrize("width", ["usual", "full"])
def test_excluded_character_is_refused(character: str, width: str) -> None:
    """RFC 7622 §3.3.1; a full-width one is mapped to a usual one first."""
    if width == "full":
        character = chr(ord(character) + 0xFEE0)
        assert unicodedata.normalize("NFKC", character) in "\"&'/:<>@"
    for text in (character, f"a{character}", f"{character}a", f"é{character}b"):
        with pytest.raises(MalformedAddress):
            prepare_local(text)


def agrees_with_nodeprep(text: str) -> bool:
    """Whether both define the same localpart, or at least one of them none."""
    try:
        return nodeprep.prepare(text) == prepare_local(text)
    except (UnicodeError, MalformedAddress):
        return True


def folds_further(character: str) -> bool:
    """Case folding, as in Nodeprep, also spells out what lower case, as in RFC 8265, keeps."""
    return character in "ßς" or IOTA_SUBSCRIPT in unicodedata.normalize("NFD", character)


@pytest.mark.parametrize("pattern", ["{}", "a{}a"])
def test_every_character_agrees_with_nodeprep(pattern: str) -> None:
    characters = [chr(code) for code in range(0xD800) if not stringprep.in_table_a1(chr(code))]
    differing = {character for character in characters if not agrees_with_nodeprep(pattern.format(character))}
    assert {character for character in differing if not folds_further(character)} == set()
    assert set("ßς") <= differing


@settings(deadline=None, max_examples=300)
@given(st.text(st.sampled_from("aB1-.!ÀéÉσΩωЖжàאב٠＋Ａａ１ｱ漢字アァ각\u0301\u0308"), min_size=1, max_size=12))
def test_names_agree_with_nodeprep(text: str) -> None:
    assert agrees_with_nodeprep(text)
