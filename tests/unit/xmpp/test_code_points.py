"""What is looked up in tables is what the libraries say, for each code point and for texts of all kinds of them."""

from __future__ import annotations

import os
import stringprep
import sys
from collections.abc import Callable
from random import Random

import idna
import pytest
from precis_i18n import get_profile
from precis_i18n.bidi import bidi_rule, has_rtl
from precis_i18n.unicode import UnicodeData

from gateway.xmpp import address_parts, code_points, precis, punycode
from gateway.xmpp.stringprep_steps import visible
from tests.support.addresses import BASIC_PLANE

# The basic and the supplementary plane; `make soak` leaves out no character.
STEP = 1 if os.environ.get("EVERY_CHARACTER") else 7
CODE_POINTS = [*BASIC_PLANE, *map(chr, range(0xD800, 0xE000, STEP)), *map(chr, range(0x10000, 0x20000, STEP))]
# Characters that are judged by their neighbours, neighbours that matter, and others of each kind.
TELLING = (
    "l\u00b7L\u0375\u03b1\u05f3\u05f4\u05d0\u05b0\u30fb\uff65\u30a2\u4e2d\u0660\u0669\u06f0\u06f9\u0627\u0628\u0644\u064b"
    "\u200c\u200d\u0915\u094d\u0300\u0301\u0338\u0345a1-_. \u00a0\u3000\u00df\u1e9e\u03c2\u03a3\u0130\u2460\ufb01\uff21"
    "\uff70\u1100\u1161\u11a8\uac00\u302e\u0640\ufe0f\u00ad\U0001f600\U0001fa77\U000e0061\ue000\ufdd0\U0001d15e\u0958\u2126"
)


def outcome(function: Callable[[str], object], text: str) -> object:
    """Return the result of a function for a text, or why it refuses it."""
    try:
        return function(text)
    except UnicodeEncodeError as error:
        return error.reason
    except ValueError:
        return ValueError


def decode(label: str) -> str:
    return idna.ulabel(f"xn--{label}")


def library_bidi(text: str) -> bool:
    ucd = UnicodeData()
    return not has_rtl(text, ucd) or bidi_rule(text, ucd)


def library_visible(text: str) -> str:
    return "".join(character for character in text if not stringprep.in_table_b1(character))


def library_fold(text: str) -> str:
    return "".join(map(stringprep.map_table_b2, text))


def library_stringprep(text: str) -> bool:
    if any(stringprep.in_table_a1(c) or stringprep.in_table_c6(c) or stringprep.in_table_c7(c) for c in text):
        return False
    if not any(map(stringprep.in_table_d1, text)):
        return True
    ends = stringprep.in_table_d1(text[0]) and stringprep.in_table_d1(text[-1])
    return ends and not any(map(stringprep.in_table_d2, text))


def library_map(text: str) -> str:
    return idna.uts46_remap(text, std3_rules=False)


PAIRS: dict[str, tuple[Callable[[str], object], Callable[[str], object]]] = {
    "UsernameCaseMapped": (precis.username.enforce, get_profile("UsernameCaseMapped").enforce),
    "OpaqueString": (precis.opaque_string.enforce, get_profile("OpaqueString").enforce),
    "Bidi Rule": (code_points.keeps_bidi_rule, library_bidi),
    "visible": (visible, library_visible),
    "case": (code_points.fold_case, library_fold),
    "stringprep": (code_points.is_stringprep, library_stringprep),
    "UTS 46": (code_points.map_name, library_map),
    "U-labels": (address_parts._check_label, idna.check_label),
}


@pytest.mark.parametrize("kind", PAIRS)
def test_every_character_is_what_the_library_says_it_is(kind: str) -> None:
    ours, library = PAIRS[kind]
    for character in CODE_POINTS:
        assert outcome(ours, character) == outcome(library, character), ascii(character)


def texts(seed: str) -> list[str]:
    rng = Random(seed)
    anything = [*map(chr, range(0x3000)), *map(chr, rng.sample(range(sys.maxunicode), 3000))]
    return [
        "".join(rng.choice(TELLING if rng.random() < 0.8 else anything) for _ in range(rng.randint(1, 12)))
        for _ in range(3000)
    ] + ["".join(rng.choices(rng.sample(TELLING, 4), k=rng.randint(1, 9))) for _ in range(6000)]


@pytest.mark.parametrize("kind", PAIRS)
def test_texts_of_all_kinds_are_what_the_library_says_they_are(kind: str) -> None:
    ours, library = PAIRS[kind]
    for text in texts(kind):
        assert outcome(ours, text) == outcome(library, text), ascii(text)


def test_labels_are_encoded_as_the_library_does_it() -> None:
    seen = {True: 0, False: 0}
    for text in texts("labels"):
        label = "\u00fc" + text.replace("\ud800", "") * (len(text) % 5 + 1)
        if any("\ud800" <= character <= "\udfff" for character in label):
            continue
        expected = "xn--" + label.encode("punycode").decode()
        fits = len(expected) <= 63
        assert punycode.fits_label(label) == fits
        assert outcome(punycode.to_a_label, label) == (expected if fits else ValueError), ascii(label)
        seen[fits] += 1
    assert min(seen.values()) > 500


def test_a_label_of_eight_characters_always_fits() -> None:
    """The check decides this without encoding the label."""
    rng = Random(8)
    for _ in range(2000):
        label = "".join(map(chr, rng.choices((*range(0x80, 0x90), *range(0x10FFF0, 0x110000), 0x61), k=8))) + "\u00fc"
        assert len(punycode.to_a_label(label[1:])) <= 63


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in (1, 2))])
def test_a_labels_are_decoded_as_the_library_does_it(seed: int) -> None:
    rng = Random(seed)
    good = 0
    for text in texts(f"A-labels {seed}"):
        if any("\ud800" <= character <= "\udfff" for character in text):
            continue
        written = list((text[:10].lower() + "\u00fc").encode("punycode").decode())
        if rng.random() < 0.3:
            written[rng.randrange(len(written))] = rng.choice("abc019-")
        label = ("-" if rng.random() < 0.1 else "") + "".join(written)
        expected = outcome(decode, label)
        good += isinstance(expected, str)
        if len(label) <= 59:
            assert outcome(address_parts._decode_label, f"xn--{label}") == expected, label
    assert good > 100


@pytest.mark.parametrize(
    "label", ["", "-", "abc-", "-bbk", "--bbk", "zzzzzzzzzzzz", "\u00fc", "a\u00fc-bbk", "BBK", "99999"]
)
def test_what_is_the_a_label_of_nothing_is_refused(label: str) -> None:
    expected = ValueError if label == "BBK" else outcome(decode, label)  # lower case came first
    assert outcome(address_parts._decode_label, f"xn--{label}") == expected


def test_a_table_asks_once_for_each_code_point() -> None:
    asked: list[str] = []

    def sort(character: str) -> str:
        asked.append(character)
        return "x" if character == "a" else "o"

    kinds = code_points.Kinds(sort)
    assert [kinds("banana"), kinds("ab"), kinds("")] == ["oxoxox", "xo", ""]
    assert sorted(asked) == ["a", "b", "n"]


def test_the_libraries_are_asked_nothing_about_code_points_that_were_met(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mappings and joining types cost most of all, and a sender can use the same few letters in ever new names."""
    names = ("\u00c4\u00d6\u00dc", "\uff21\u03a3", "\u0628\u064b\u200c\u0628", "\u0915\u094d\u200d\u0937", "a b")
    for name in names:
        for character in name:
            outcome(address_parts.prepare_domain, character)
            outcome(address_parts.prepare_local, character)
        outcome(address_parts.prepare_domain, name)

    def asked(*_: object, **__: object) -> object:
        raise AssertionError("the library was asked again")

    for module, function in (
        (idna, "uts46_remap"),
        (idna, "check_label"),
        (idna, "valid_contextj"),
        (stringprep, "map_table_b2"),
    ):
        monkeypatch.setattr(module, function, asked)
    for name in names:
        expected = outcome(address_parts.prepare_domain, name)
        assert outcome(address_parts.prepare_domain, f"{name}.{name}{name[0]}") == (
            f"{expected}.{expected}{expected[0]}" if isinstance(expected, str) else ValueError
        )
        outcome(address_parts.prepare_local, f"{name}{name[0]}")
