"""TLSA records as they come from the wire."""

from __future__ import annotations

import pytest

from gateway.net.dns.tlsa import MOST_DATA, TLSARecord, read_tlsa


def test_a_record_is_three_numbers_and_data() -> None:
    assert read_tlsa(bytes([3, 1, 1]) + b"\xab" * 32) == TLSARecord(usage=3, selector=1, matching=1, data=b"\xab" * 32)
    assert read_tlsa(b"\x03\x01") is None


@pytest.mark.parametrize(
    ("usage", "selector", "matching", "size", "usable"),
    [
        (3, 1, 1, 32, True),
        (3, 1, 2, 64, True),
        (0, 0, 0, 600, True),
        (3, 1, 1, 31, False),
        (3, 1, 2, 32, False),
        (3, 1, 0, 0, False),
        (3, 1, 0, MOST_DATA + 1, False),
        (4, 1, 1, 32, False),
        (3, 2, 1, 32, False),
        (3, 1, 3, 32, False),
        (255, 1, 1, 32, False),
    ],
)
def test_what_nobody_can_use_is_not_usable(usage: int, selector: int, matching: int, size: int, usable: bool) -> None:
    record = TLSARecord(usage=usage, selector=selector, matching=matching, data=b"\xab" * size)
    assert record.is_usable is usable
