# ruff: noqa: RUF001  characters that resemble others are the point here
"""H-34: huge, broken or unassigned input never reaches the libraries that prepare addresses (as in CVE-2015-2058)."""

from __future__ import annotations

import contextlib
import itertools
import stringprep
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from gateway.xmpp import address_parts
from gateway.xmpp.addresses import Address, AddressCache, prepare_domain, prepare_local, prepare_resource
from gateway.xmpp.errors import MalformedAddress

HUGE = 10_000_000
PREPARES = [prepare_local, prepare_domain, prepare_resource]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that a library is asked about."""
    texts: list[str] = []

    def spy(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(text: str, *arguments: Any, **options: Any) -> Any:
            texts.append(text)
            return function(text, *arguments, **options)

        return call

    for owner, name in [
        (address_parts.username, "enforce"),
        (address_parts.opaque_string, "enforce"),
        (address_parts, "map_name"),
        (address_parts, "_decode_label"),
        (address_parts, "_check_label"),
        (address_parts, "_map_nodeprep"),
        (address_parts, "normalised"),
    ]:
        monkeypatch.setattr(owner, name, spy(getattr(owner, name)))
    return texts


@pytest.mark.parametrize("pattern", ["{}", "{}@example.com", "a@{}", "a@example.com/{}", "[{}]", "{}/a"])
@pytest.mark.parametrize(
    "filling", ["a", "a.", "é", "é.", "\u200d", "\u0301", "@", "/", ".", "[", "\x00", "\ud800", "1", ":"]
)
def test_huge_address_is_refused_by_its_length(seen: list[str], pattern: str, filling: str) -> None:
    with pytest.raises(MalformedAddress, match=r"an address of \d+ characters is too long") as refusal:
        Address.parse(pattern.format(filling * (HUGE // len(filling))))
    assert len(refusal.value.problem) < 200
    assert seen == []


@pytest.mark.parametrize("prepare", PREPARES)
@pytest.mark.parametrize("filling", ["a" * 1024, "é" * 512, "é" * 100_000, "漢" * 342, "😀" * 256, "xn--" + "a" * 1020])
def test_part_above_1023_bytes_is_refused_by_its_length(
    seen: list[str], prepare: Callable[[str], str], filling: str
) -> None:
    with pytest.raises(MalformedAddress, match="longer than 1023 bytes") as refusal:
        prepare(filling)
    assert len(refusal.value.problem) < 800
    assert seen == []


@pytest.mark.parametrize(
    "raw", [b"\xff", b"a\xc3@b", b"\xed\xa0\x80@b", b"\xc0\xaf@b", b"a@b/\xf4\x90\x80\x80", b"a" * HUGE]
)
def test_bytes_that_are_no_address_text_are_refused(seen: list[str], raw: bytes) -> None:
    with pytest.raises(MalformedAddress):
        AddressCache().read(b"'" + raw + b"'")
    assert seen == []


@pytest.mark.parametrize("prepare", PREPARES)
@pytest.mark.parametrize(
    "character", [chr(0xD800), chr(0xDFFF), "\u0378", "\ufdd0", "\uffff", "\U0010ffff", "\U000e0080"]
)
def test_surrogates_and_unassigned_code_points_are_refused(
    seen: list[str], prepare: Callable[[str], str], character: str
) -> None:
    for text in (character, f"a{character}b", f"é{character}"):
        with pytest.raises(MalformedAddress):
            prepare(text)
    assert seen == []


def test_huge_bytes_are_refused_before_they_are_decoded(seen: list[str]) -> None:
    with pytest.raises(MalformedAddress, match="too long"):
        AddressCache().read(b"'" + b"\xff" * HUGE + b"'")
    assert seen == []


@pytest.mark.parametrize("prepare", PREPARES)
def test_code_points_in_quadratic_rules_are_bounded(seen: list[str], prepare: Callable[[str], str]) -> None:
    """RFC 8264 judges each of them by all the others beside it, so time would grow with the square of the length."""
    for text in ("ا" + "٠" * 65, "ا" + "۱" * 65, "・" * 65 + "ア", "･" * 65 + "ア"):
        with pytest.raises(MalformedAddress, match="more than 64"):
            prepare(text)
    assert seen == []


def test_sixty_four_digits_are_still_a_name() -> None:
    local = "ا" + "٠" * 64
    assert prepare_local(local) == prepare_resource(local) == local


def test_no_other_character_becomes_one_of_a_quadratic_rule() -> None:
    # Code points that are unassigned, private or surrogates, six of seven, become nothing else.
    assigned = (c for c in map(chr, range(0x110000)) if unicodedata.category(c) not in ("Cn", "Co", "Cs"))
    others = "".join(c for c in assigned if not address_parts._CONTEXTUAL(c))
    assert address_parts._CONTEXTUAL(unicodedata.normalize("NFKC", others)) == []
    assert address_parts._CONTEXTUAL(address_parts._map_nodeprep(others)) == []
    assert address_parts._CONTEXTUAL(address_parts.normalised(others)) == []


def test_rfc_7622_keeps_nothing_of_the_prohibited_tables_that_are_not_asked() -> None:
    """Of the tables of RFC 6122, preparation asks only C.6 and C.7."""
    tables = [getattr(stringprep, f"in_table_c{table}") for table in ("12", "21_c22", "3", "4", "5", "8", "9")]
    others = itertools.filterfalse(stringprep.in_table_c6, map(chr, (*range(0x20000), *range(0xE0000, 0xE1000))))
    prohibited = [character for character in others if any(table(character) for table in tables)]
    assert len(prohibited) > 6400  # the private use area alone
    kept = [c for c in prohibited for prepare in (prepare_local, prepare_resource) if _keeps(prepare, f"a{c}b")]
    assert kept == []


def _keeps(prepare: Callable[[str], str], text: str) -> bool:
    try:
        return prepare(text) == text
    except MalformedAddress:
        return False


@pytest.mark.parametrize("label", ["é" * 64, "漢" * 300, "xn--" + "a" * 60, "ﷺ" * 200])
def test_a_label_above_63_characters_reaches_no_punycode(seen: list[str], label: str) -> None:
    with pytest.raises(MalformedAddress, match=r"longer than (63|253) bytes"):
        prepare_domain(f"{label}.example")
    assert [text for text in seen if len(text) > 63 and "." not in text] == []


LONG = ["é" * 511, "\u0301" * 511, "ب\u200c" * 200 + "ب", "a\ufe0f" * 255, "漢" * 341, ".".join("é" * 255), "😀" * 255]
GROWING = ["ß" * 511, "É" * 511, "ẞ" * 341, "ᾳ" * 255, "ᾳ" * 341, "①" * 341, "㍿" * 341, "\ufdfa" * 341, "\u0344" * 511]


@pytest.mark.parametrize("text", LONG + GROWING)
@pytest.mark.parametrize("prepare", PREPARES)
def test_work_is_linear_in_the_text(seen: list[str], prepare: Callable[[str], str], text: str) -> None:
    """The libraries are asked about each character a few times, whatever the text."""
    with contextlib.suppress(MalformedAddress):
        prepare(text)
    assert sum(map(len, seen)) <= 12 * len(text)


def test_refused_texts_are_not_kept() -> None:
    cache = AddressCache()
    for number in range(1000):
        with pytest.raises(MalformedAddress):
            cache.lookup(f"a b{number}@example.com")
    assert len(cache) == 0


@pytest.mark.parametrize(
    "text",
    [
        "a\x1b[31m b@c",
        "a@\r\nb",
        "a@b/\u202e\n",
        "é\u2028@b",
        "é♚.example",
        "é\x1b.b",
        "a@" + "é." * 300 + "1",
        "ﷺ" * 300,
    ],
)
def test_refusal_is_one_short_line_of_ascii(text: str) -> None:
    with pytest.raises(MalformedAddress) as refusal:
        Address.parse(text)
    assert len(refusal.value.problem) < 700
    assert refusal.value.problem.isascii()
    assert refusal.value.problem.isprintable()
