# ruff: noqa: RUF001  characters that resemble others are the point here
"""Addresses for tests: other spellings of one domain; RFC 7622 beside stringprep; Hypothesis strategies for texts."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from hypothesis import strategies as st

from gateway.xmpp.addresses import PART_BYTES, Domain, to_ascii
from gateway.xmpp.errors import MalformedAddress

# What a JID is made of, and what breaks one; short, so that structure turns up often.
STRUCTURE = "aZ09xn-_.@/ \"&'<>:[]%~"
# Characters with an opinion: case, width, normal form, direction, context, invisibility.
OPINIONATED = (
    "ßẞςΣσİıéÉe\u0301ﬁⅣ①ªＡａ．。｡／＠＆１ｱ・･ア漢각\u1100\u1161אב\u05f3\u05f4اب\u0660\u06f1l·͵α\u0345"
    "\u00a0\u3000\u00ad\u200b\u200c\u200d\u2060\ufe0f\ufeff❤😀\u0915\u094d\u0958\u1806\u212a\u2126\ufdfa\u2100\u2024𐐀𐐨"
)

ascii_text = st.one_of(
    st.text(STRUCTURE, max_size=24),
    st.text(st.characters(max_codepoint=0x7F), max_size=24),
    st.from_regex(r"\A([!-~]{1,8}@)?[A-Za-z0-9_.-]{1,16}(/[ -~]{1,8})?\Z"),
)
any_text = st.one_of(
    ascii_text,
    st.text(STRUCTURE + OPINIONATED, max_size=16),
    st.text(st.characters(), max_size=16),
)
whole_text = st.one_of(
    any_text,
    st.tuples(any_text, any_text, any_text).map(lambda parts: "{}@{}/{}".format(*parts)),
    st.tuples(any_text, any_text).map(lambda parts: f"x@{parts[0]}.example/{parts[1]}"),
)

# Blocks of characters that are alike: of these every 17th will do, which meets all endings of syllables in Hangul.
ALIKE = {
    "CJK unified ideographs, extension A": range(0x3400, 0x4DC0),
    "CJK unified ideographs": range(0x4E00, 0xA000),
    "Hangul syllables": range(0xAC00, 0xD7A4),
    "private use": range(0xE000, 0xF900),
}
OF_A_KIND = 3
_STEP = 1 if os.environ.get("EVERY_CHARACTER") else 17


def _is_wanted(code: int) -> bool:
    block = next((block for block in ALIKE.values() if code in block), None)
    return not 0xD800 <= code < 0xE000 and (block is None or (code - block.start) % _STEP == 0)


# The code points that are characters of text, as far as two bytes go; all of them with EVERY_CHARACTER set.
BASIC_PLANE = [chr(code) for code in range(0x10000) if _is_wanted(code)]


def _kind(character: str) -> tuple[object, ...]:
    """Return all properties that a rule for a character among others can ask for."""
    mapping = unicodedata.decomposition(character)
    return (
        unicodedata.category(character),
        unicodedata.bidirectional(character),
        unicodedata.combining(character),
        unicodedata.east_asian_width(character),
        mapping.partition(">")[0] if mapping.startswith("<") else mapping.count(" ") if mapping else None,
        *(turn(character) == character for turn in (str.lower, str.upper, str.casefold)),
    )


@cache
def put_into(pattern: str) -> list[str]:
    """Return every code point of BASIC_PLANE put into this pattern.

    Where it has neighbours in the pattern, these are what is tested, and three code points of each kind are enough; all
    are taken with EVERY_CHARACTER set.
    """
    characters = BASIC_PLANE if pattern == "{}" or _STEP == 1 else _some_of_each_kind()
    return [pattern.format(character) for character in characters]


def _some_of_each_kind() -> list[str]:
    met: Counter[tuple[object, ...]] = Counter()
    chosen = []
    for character in BASIC_PLANE:
        met[kind := _kind(character)] += 1
        if met[kind] <= OF_A_KIND or character in OPINIONATED or character.isascii():
            chosen.append(character)
    return chosen


def result(prepare: Callable[[str], str], text: str) -> str | None:
    """Return what a preparation defines for a text, which may be nothing."""
    try:
        return prepare(text)
    except (UnicodeError, MalformedAddress):
        return None


@dataclass(frozen=True, kw_only=True)
class TwoRules:
    """RFC 7622 and a stringprep profile for one part, both as libraries have them."""

    precis: Callable[[str], str]
    stringprep: Callable[[str], str]

    def both_define(self, text: str) -> bool:
        """Return whether each of them has a result."""
        return None not in (result(self.precis, text), result(self.stringprep, text))

    def stringprep_lasts(self, text: str) -> bool:
        """Return whether both rules leave stringprep's result as it is."""
        prepared = self.stringprep(text)
        fits = len(prepared.encode()) <= PART_BYTES
        return fits and result(self.precis, prepared) == result(self.stringprep, prepared) == prepared


def other_spellings(domain: Domain) -> list[str]:
    """Texts that differ from a prepared domain of names and yet are that domain."""
    capitals = "".join(c.upper() if c.upper().lower() == c else c for c in domain)
    spellings = [
        capitals,
        _full_width(domain),
        _full_width(capitals),
        domain.replace(".", "\u3002"),
        domain.replace(".", "\uff61"),
        domain + ".",
        domain + "\uff0e",
        domain[0] + "\u00ad" + domain[1:],
        unicodedata.normalize("NFD", domain),
        to_ascii(domain),
        to_ascii(domain).upper(),
        to_ascii(domain).upper() + ".",
    ]
    return [text for text in dict.fromkeys(spellings) if text != domain]


def _full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)
