# ruff: noqa: RUF001  characters that resemble others are the point here
"""2.2-1: a localpart is what Nodeprep makes of it (RFC 6122 §A), where RFC 7622 §3.3 allows both."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from precis_i18n import get_profile
from twisted.words.protocols.jabber.xmpp_stringprep import nodeprep

from gateway.xmpp.addresses import Address, prepare_local
from gateway.xmpp.errors import MalformedAddress
from tests.support.addresses import TwoRules, any_text, put_into, result

RULES = TwoRules(precis=get_profile("UsernameCaseMapped").enforce, stringprep=nodeprep.prepare)

SPELLINGS = [
    ("alice", "alice"),
    ("ALICE", "alice"),
    ("ＡＬＩＣＥ", "alice"),
    ("ｱﾘｽ", "アリス"),
    ("a.b-c_d+e~f", "a.b-c_d+e~f"),
    ("!#$%()*,;=?[\\]^`{|}", "!#$%()*,;=?[\\]^`{|}"),
    ("ÉLODIE", "élodie"),
    ("E\u0301lodie", "élodie"),
    ("fußball", "fussball"),
    ("FUẞBALL", "fussball"),
    ("FUSSBALL", "fussball"),
    ("π", "π"),
    ("Σ", "σ"),
    ("ς", "σ"),
    ("ΑΣ", "ασ"),
    ("ᾳ", "αι"),
    ("\u03b1\u0345\u0301", "αί"),
    ("ЖАННА", "жанна"),
    ("\u212aelvin", "kelvin"),
    ("דוד", "דוד"),
    ("علي", "علي"),
    ("l·l", "l·l"),
    ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u0937"),
]

# Texts for which RFC 7622's result stays.
ONLY_PRECIS = [
    ("ßⱡ", "ßⱡ"),  # Unicode 3.2 has no ⱡ
    ("Ⴀς", "ⴀς"),  # nor the small ⴀ, and RFC 7622 keeps no capital letter
    ("א1", "א1"),  # stringprep wants a letter at its end, too
    ("ᾳ" * 341, "ᾳ" * 341),  # the other one would be longer than 1023 bytes
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


@pytest.mark.parametrize(("text", "local"), SPELLINGS + ONLY_PRECIS)
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


@pytest.mark.parametrize("pattern", ["{}", "a{}a", "א{}א"])
def test_every_character_is_what_nodeprep_makes_of_it(pattern: str) -> None:
    texts = [text for text in put_into(pattern) if RULES.both_define(text)]
    assert len(texts) > 50
    assert [text for text in texts if prepare_local(text) != nodeprep.prepare(text)] == []


@pytest.mark.parametrize("pattern", ["{}", "a{}a", "א{}א"])
def test_every_character_that_rfc_7622_refuses_is_refused(pattern: str) -> None:
    texts = [text for text in put_into(pattern) if result(RULES.precis, text) is None]
    assert len(texts) > 200
    assert [text for text in texts if result(prepare_local, text) is not None] == []


@settings(deadline=None, max_examples=500)
@given(
    st.one_of(
        any_text, st.text(st.sampled_from("aB1-.!ßςÀéÉσΩωЖжàאب٠＋Ａａ１ｱ漢字アァ각ⱡႠᾳ\u0345\u0301\u0308"), max_size=12)
    )
)
def test_text_is_what_nodeprep_makes_of_it(text: str) -> None:
    prepared = result(prepare_local, text)
    if RULES.both_define(text) and RULES.stringprep_lasts(text):
        assert prepared == nodeprep.prepare(text)
    if prepared is not None:
        assert RULES.precis(prepared) == prepared
    if result(RULES.precis, text) is None:
        assert prepared is None
