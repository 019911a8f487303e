"""2.3-2: a resourcepart has at most 1023 bytes of UTF-8, also after preparation (RFC 7622 §3.4)."""

from __future__ import annotations

import pytest

from gateway.xmpp.addresses import Address, prepare_resource
from gateway.xmpp.errors import MalformedAddress


@pytest.mark.parametrize("resource", ["a" * 1023, "é" * 511 + "a", "♚" * 341, "😀" * 255 + "abc"])
def test_longest_resourcepart_is_one(resource: str) -> None:
    assert len(resource.encode()) == 1023
    assert Address.parse(f"alice@example.com/{resource}").resource == resource


@pytest.mark.parametrize("resource", ["a" * 1024, "é" * 512, "♚" * 341 + "a", "😀" * 256])
def test_one_byte_more_is_refused(resource: str) -> None:
    assert len(resource.encode()) == 1024
    with pytest.raises(MalformedAddress, match="longer than 1023 bytes"):
        Address.parse(f"alice@example.com/{resource}")


def test_bytes_count_after_preparation_too() -> None:
    assert prepare_resource("\u0958" * 170) == "\u0915\u093c" * 170
    with pytest.raises(MalformedAddress, match="longer than 1023 bytes"):
        prepare_resource("\u0958" * 171)


def test_stringprep_form_above_the_limit_is_none() -> None:
    """One letter becomes eighteen characters of 33 bytes; where that is too much, RFC 7622's form stays."""
    assert len(prepare_resource("\ufdfa" * 31).encode()) == 31 * 33
    assert prepare_resource("\ufdfa" * 32) == "\ufdfa" * 32


def test_an_address_of_three_longest_parts_is_one() -> None:
    domain = ".".join(["b" * 63] * 16)
    text = f"{'a' * 1023}@{domain}/{'c' * 1023}"
    assert len(text) == 3 * 1023 + 2
    assert Address.parse(text).full == text
