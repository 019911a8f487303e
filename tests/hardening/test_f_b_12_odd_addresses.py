"""B-12: addresses that are long, or are none, are prepared once and remembered by their bytes, within bounds."""

from __future__ import annotations

import tracemalloc
from random import Random
from time import process_time

import pytest

from gateway.xmpp import address_parts, addresses
from gateway.xmpp.addresses import Address, AddressCache
from gateway.xmpp.errors import MalformedAddress

pytestmark = pytest.mark.busy("compares processor times")

ODD = {
    "digits": "\u0660" * 450 + "@far.test",
    "labels": ".".join("\u00fc" * 340) + "@x",
    "long domain": ".".join("\u00fc" * 340),
    "long resource": "a@far.test/" + "\u2603\u00fc" * 200,
    "no address": "a b@far.test/r",
    "empty": "",
}


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that has to be prepared."""
    texts: list[str] = []
    parse = Address.parse

    def spy(text: str) -> Address:
        texts.append(text)
        return parse(text)

    monkeypatch.setattr(addresses.Address, "parse", spy)
    return texts


def quoted(text: str) -> bytes:
    return b"'" + text.encode() + b"'"


def outcome(cache: AddressCache, raw: bytes) -> Address | str:
    try:
        return cache.read(raw)
    except MalformedAddress as error:
        return error.problem


@pytest.mark.parametrize("kind", ODD)
def test_f_b_12_the_same_bytes_are_prepared_once(kind: str, parsed: list[str]) -> None:
    cache, raw = AddressCache(), quoted(ODD[kind])
    first = outcome(cache, raw)
    assert [outcome(cache, raw) for _ in range(100)] == [first] * 100
    assert len(parsed) == 1


def test_f_b_12_what_is_odd_takes_bounded_memory() -> None:
    cache = AddressCache(odd_bytes=1 << 20)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(5000):
            outcome(cache, quoted(f"a@far.test/{number}" + "x" * 900))
            outcome(cache, quoted(f"{number}" + " " * 900))
        assert tracemalloc.get_traced_memory()[0] - before < 2 << 20
    finally:
        tracemalloc.stop()


def test_f_b_12_what_is_odd_pushes_out_nothing_that_is_not(parsed: list[str]) -> None:
    cache = AddressCache(odd_bytes=1 << 16)
    cache.read(b"'a@far.test'")
    for number in range(1000):
        outcome(cache, quoted(f"{number} " * 100))
    parsed.clear()
    cache.read(b"'a@far.test'")
    assert parsed == []


def test_f_b_12_an_odd_one_that_is_used_is_kept_while_others_pass(parsed: list[str]) -> None:
    cache, raw = AddressCache(odd_bytes=1 << 16), quoted(ODD["digits"])
    for number in range(1000):
        outcome(cache, quoted(f"{number} " * 10))
        outcome(cache, raw)
    assert parsed.count(ODD["digits"]) == 1


def microseconds(texts: list[str]) -> float:
    """Return the least time of three that each byte of these takes, none of which the cache or the labels know."""
    times = []
    for _ in range(3):
        address_parts._prepare_label.cache_clear()
        cache = AddressCache()
        began = process_time()
        for text in texts:
            outcome(cache, quoted(text))
        times.append(process_time() - began)
    return min(times) * 1e6 / len("".join(texts).encode())


def random_names(alphabet: str, length: int, labels: int) -> list[str]:
    """Ten names of labels that are all different."""
    rng = Random(f"{alphabet} {length}")
    return [".".join("".join(rng.choices(alphabet, k=length)) for _ in range(labels)) for _ in range(10)]


GREEK, ARABIC = "\u03b1\u03b2\u03b3\u03b4\u03b5\u03b6", "\u0627\u0628\u062a\u062b\u062c"
LONG = {
    "one letter each": random_names(GREEK, 1, 300),
    "labels": random_names(GREEK, 5, 80),
    "long labels": random_names(GREEK, 40, 12),
    "from right to left": random_names(ARABIC, 20, 22),
    "as long as DNS allows": random_names(GREEK, 45, 4),
    "A-labels": [".".join(f"xn--{label}-kva" for label in name.split(".")) for name in random_names("abcdefg", 4, 80)],
    "digits": random_names("\u0660\u0661\u0662", 60, 8),
    "one label": random_names(GREEK, 500, 1),
}


@pytest.mark.parametrize("kind", LONG)
def test_f_b_12_a_long_name_costs_no_more_than_short_ones(kind: str) -> None:
    """Each byte of a name that is seen for the first time costs at most some times what one of a short name does."""
    short = [f"b\u00fc{number}cher.test" for number in range(300)]
    assert any(microseconds(LONG[kind]) < 3 * microseconds(short) for _ in range(4))


@pytest.mark.parametrize("kind", [kind for kind in LONG if kind != "as long as DNS allows"])
def test_f_b_12_a_name_that_does_not_fit_into_dns_reaches_no_library(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("map_name", "check_code_points"):
        monkeypatch.setattr(address_parts, library, None)
    for name in LONG[kind]:
        assert isinstance(outcome(AddressCache(), quoted(name)), str)


def test_f_b_12_labels_that_come_again_cost_no_more_than_other_text() -> None:
    """Names that differ in one label only, each new to the cache."""

    def seconds(texts: list[str]) -> float:
        times = []
        for _ in range(3):
            cache = AddressCache()
            began = process_time()
            for text in texts:
                outcome(cache, quoted(text))
            times.append(process_time() - began)
        return min(times) / sum(map(len, texts))

    long = [".".join(["\u00fc"] * 40 + [f"x{number}"]) for number in range(20)]
    short = [f"\u00fc{number}.test" for number in range(500)]
    assert any(seconds(long) < 5 * seconds(short) for _ in range(4))
