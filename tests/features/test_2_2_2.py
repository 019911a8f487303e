# ruff: noqa: RUF001  characters that resemble others are the point here
"""2.2-2: a localpart has at most 1023 bytes of UTF-8, also after preparation (RFC 7622 §3.3)."""

from __future__ import annotations

import pytest

from gateway.xmpp.addresses import Address, prepare_local
from gateway.xmpp.errors import MalformedAddress


@pytest.mark.parametrize("local", ["a" * 1023, "é" * 511 + "a", "漢" * 341, "𐐨" * 255 + "abc"])
def test_longest_localpart_is_one(local: str) -> None:
    assert len(local.encode()) == 1023
    assert Address.parse(f"{local}@example.com/phone").local == local


@pytest.mark.parametrize("local", ["a" * 1024, "é" * 512, "漢" * 341 + "a", "𐐨" * 256])
def test_one_byte_more_is_refused(local: str) -> None:
    assert len(local.encode()) == 1024
    with pytest.raises(MalformedAddress, match="longer than 1023 bytes"):
        Address.parse(f"{local}@example.com/phone")


def test_bytes_count_after_preparation_too() -> None:
    """NFC takes some letters apart: one of three bytes becomes two of three."""
    assert prepare_local("\u0958" * 170) == "\u0915\u093c" * 170
    with pytest.raises(MalformedAddress, match="longer than 1023 bytes"):
        prepare_local("\u0958" * 171)


def test_stringprep_form_above_the_limit_is_none() -> None:
    """One letter of three bytes becomes two of two bytes; where that is too much, RFC 7622's form stays."""
    assert prepare_local("ᾳ" * 255) == "αι" * 255
    assert prepare_local("ᾳ" * 256) == "ᾳ" * 256
