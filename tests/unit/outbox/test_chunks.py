"""The content of a row: what was packed comes back, and what was damaged is known to be."""

from __future__ import annotations

import pytest

from gateway.outbox.chunks import STANZAS, Damaged, pack, unpack

ROW = pack([b"<message/>", b"<presence/>"])


def test_what_was_packed_comes_back() -> None:
    assert unpack(ROW) == [b"<message/>", b"<presence/>"]


@pytest.mark.parametrize(
    "content",
    [b"", ROW[:3], ROW[:11], ROW[:-1], ROW + b"x", bytes(4), (STANZAS + 1).to_bytes(4, "little") + ROW[4:]],
    ids=["nothing", "no count", "no lengths", "cut short", "too long", "of none", "of too many"],
)
def test_what_was_damaged_is_not_read(content: bytes) -> None:
    with pytest.raises(Damaged):
        unpack(content)
