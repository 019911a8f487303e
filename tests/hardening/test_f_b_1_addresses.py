"""B-1, B-12: addresses that were never seen before cost at most some times the processor time of usual traffic.

The usual is what real servers send, whose addresses are known by then; the others differ in every stanza, so that
nothing that is remembered of one helps with the next. Each code point was met before, as that costs something once.
Compared for each byte, within one run.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from random import Random
from time import process_time

import pytest

from gateway.xmpp.addresses import prepare_domain, prepare_local, prepare_resource
from gateway.xmpp.errors import MalformedAddress
from tests.hardening.test_f_b_1_processor_time import MOST, NOISE, TRIES, USUAL, cost, established, filled, usual

pytestmark = pytest.mark.busy("compares processor times")

SIZE = 1 << 12  # of one read
RUNS = 2


def letters(first: int, last: int) -> str:
    return "".join(each for each in map(chr, range(first, last)) if unicodedata.category(each).startswith("L"))


ALPHABETS = {
    "Latin": "\u00e4\u00f6\u00fc\u00df\u00e9abc",
    "Latin capitals": "\u00c4\u00d6\u00dc\u00c9\u00c8",
    "Greek": "\u03b1\u03b2\u03b3\u03b4\u03c2\u03a3",
    "Cyrillic": letters(0x430, 0x450),
    "Arabic": "\u0627\u0628\u062a\u062b\u062c",
    "Arabic with marks": "\u0628\u064b\u200c\u062a",
    "Arabic digits": "\u0660\u0661\u0662\u0627",
    "Hebrew": letters(0x5D0, 0x5EA),
    "Devanagari with joiners": "\u0915\u094d\u200d\u0937",
    "Han": letters(0x4E00, 0x5200),
    "Hangul": letters(0xAC00, 0xB000),
    "kana": "\u3042\u3044\u30a2\u30a4\u30fb",
    "beyond the basic plane": letters(0x20000, 0x20500),
    "emoji": "\U0001f600\U0001f601\U0001f602",
    "newer emoji": "\U0001fa77\U0001fae8\u00fc",
    "symbols": "\u2603\u00fc",
    "decomposed": "a\u0308o\u0323u\u0301",
    "marks": "\u0300\u0323a\u0327",
    "full-width": "\uff21\uff22\uff23",
    "circled": "\u2460\u2461a",
    "ligatures": "\ufb01\ufb02\u338f",
    "middle dots": "l\u00b7l",
    "mixed": "a\u044f\u4e2d\U0001f600",
    "not allowed": "a/@ \u2028",
    "control characters": "ab\x7f",
    "private use": "\ue000a",
}
FORMS: dict[str, Callable[[str], str]] = {
    "resourcepart": lambda word: f"<message from='a@theirs.test/{word}' to='b@ours.test'/>",
    "localpart": lambda word: f"<message from='{word}@theirs.test' to='b@ours.test'/>",
    "domain in to": lambda word: f"<message from='a@theirs.test' to='{word}.test'/>",
    "domain in from": lambda word: f"<message from='{word}.test' to='ours.test'/>",
    "A-label": lambda word: f"<message from='xn--{word.encode('punycode', 'replace').decode()}.test' to='ours.test'/>",
    "everywhere": lambda word: f"<message from='{word}@{word}.test/{word}' to='{word}@{word}.test/{word}'/>",
}


@cache
def meet(alphabet: str) -> None:
    """Let every code point be met once."""
    for character in alphabet:
        for prepare in (prepare_domain, prepare_local, prepare_resource):
            with suppress(MalformedAddress):
                prepare(character)


def distinct(form: Callable[[str], str], alphabet: str, length: int, rng: Random) -> bytes:
    """Stanzas that fill one read, each with its own word."""
    stanzas: list[str] = []
    size = 0
    while size < SIZE:
        stanzas.append(form("".join(rng.choices(alphabet, k=length))))
        size += len(stanzas[-1].encode())
    return "".join(stanzas).encode()


def cost_of_distinct(form: Callable[[str], str], alphabet: str, length: int, rng: Random, runs: int = RUNS) -> float:
    """Seconds of the processor for each byte of one read; the least of some reads, all of which are different."""
    times = []
    for _ in range(runs):
        data, said = distinct(form, alphabet, length, rng), established()
        began = process_time()
        said.stream.received(data)
        times.append((process_time() - began) / len(data))
    return min(times)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("alphabet", ALPHABETS)
def test_f_b_1_addresses_seen_for_the_first_time_cost_at_most_some_times_the_usual(alphabet: str, form: str) -> None:
    rng = Random(f"{alphabet} {form}")
    meet(ALPHABETS[alphabet])
    for length in (5, 20, 60):
        words = FORMS[form], ALPHABETS[alphabet], length, rng
        assert cost_of_distinct(*words, runs=1) < NOISE * MOST * usual() or any(
            cost_of_distinct(*words) < NOISE * MOST * cost(established, filled(USUAL)) for _ in range(TRIES)
        ), length
