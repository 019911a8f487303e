"""2.1-2: a domainpart has at most 1023 bytes (RFC 7622 §3.2)."""

from __future__ import annotations

import pytest

from gateway.xmpp.addresses import Address, prepare_domain
from gateway.xmpp.errors import MalformedAddress

LABELS = ".".join(["a" * 63] * 15)  # 959 bytes
LONGEST = f"{LABELS}.{'b' * 63}"
WIDE_LABELS = ".".join(["é" * 50] * 10)  # 1009 bytes


def test_longest_domain_is_an_address() -> None:
    assert len(LONGEST) == 1023
    assert Address.parse(LONGEST).domain == LONGEST


@pytest.mark.parametrize("pattern", ["{}", "alice@{}", "{}/phone", "alice@{}/phone"])
def test_one_byte_more_is_none(pattern: str) -> None:
    with pytest.raises(MalformedAddress, match="longer than 1023 bytes"):
        Address.parse(pattern.format(f"{LONGEST[:-1]}.c"))


def test_bytes_count_and_not_characters() -> None:
    assert prepare_domain(f"{WIDE_LABELS}.{'a' * 13}")
    with pytest.raises(MalformedAddress, match="longer than 1023 bytes"):
        prepare_domain(f"{WIDE_LABELS}.{'a' * 14}")


def test_bytes_count_after_preparation_too() -> None:
    """An A-label may stand for a much longer U-label."""
    short = "xn--" + ("漢" * 30).encode("punycode").decode()
    assert prepare_domain(short) == "漢" * 30
    domain = ".".join([short] * 12)
    assert len(domain) < 1023
    with pytest.raises(MalformedAddress, match="longer than 1023 bytes"):
        prepare_domain(domain)
