"""2.1-2: a domainpart has at most 1023 bytes (RFC 7622 §3.2)."""

from __future__ import annotations

import pytest

from gateway.xmpp.address_parts import to_ascii
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
    with pytest.raises(MalformedAddress, match="longer than 1023 bytes"):
        prepare_domain(f"{WIDE_LABELS}.{'a' * 14}")


@pytest.mark.parametrize("name", [".".join(["é" * 50] * 5), ".".join(["xn--9ca"] * 32), ".".join(["e\u0301" * 50] * 5)])
def test_a_name_that_needs_a_library_has_to_fit_into_dns(name: str) -> None:
    with pytest.raises(MalformedAddress, match="longer than 253 bytes in its DNS form"):
        prepare_domain(name)


def test_the_longest_name_of_u_labels_that_fits_into_dns() -> None:
    name = ".".join(["é" * 50] * 3 + ["a" * 63])
    assert len(to_ascii(prepare_domain(name))) <= 253
    assert prepare_domain(".".join(["e\u0301" * 50] * 4)) == ".".join(["é" * 50] * 4)
