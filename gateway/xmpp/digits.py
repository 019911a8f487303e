"""Numbers from strangers: one bounded reader for all of them.

`int` refuses text of thousands of digits with its own exception, and accepts digits of every script, white space,
signs and underscores. So numbers from the wire are read here: ASCII digits only, and no more than expected.
"""

from __future__ import annotations


def read_number(text: str | None, most: int) -> int | None:
    """Return the decimal number from 0 to `most` in the text, leading zeros allowed; None for anything else."""
    if not text or not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"
    if len(digits) > len(str(most)):
        return None
    number = int(digits)
    return number if number <= most else None


def read_signed(text: str, most: int) -> int | None:
    """Return the number from -most - 1 to `most` in the text, with or without a sign; None for anything else."""
    if text.startswith("-"):
        number = read_number(text[1:], most + 1)
        return None if number is None else -number
    return read_number(text.removeprefix("+"), most)
