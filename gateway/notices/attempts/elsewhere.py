"""Elsewhere: what the last failed attempts between two domains said, for an attempt that ends without a word.

Dialback takes two connections. When the second one fails, nothing may come back on the first: its record then tells
what happened on the other. The table is bounded; the pair that failed the longest time ago makes room.
"""

from __future__ import annotations

from collections import OrderedDict

from gateway.notices.attempts.records import Attempt
from gateway.notices.notices import Notice

MOST_PAIRS = 256
RECENT_SECONDS = 60.0
_MOST_WORDS = 250

Ends = tuple[str, str]


class Elsewhere:
    """A subscriber for notices that remembers the last failed attempt between any two domains."""

    def __init__(self, most: int = MOST_PAIRS) -> None:
        self._most = most
        self._failed: OrderedDict[Ends, Attempt] = OrderedDict()

    def notice(self, notice: Notice) -> None:
        """Keep the end of an attempt that failed."""
        if isinstance(notice, Attempt) and notice.verdict.is_failure and notice.local and notice.remote:
            ends = (notice.local, notice.remote)
            self._failed[ends] = notice
            self._failed.move_to_end(ends)
            while len(self._failed) > self._most:
                self._failed.popitem(last=False)

    def said(self, local: str, remote: str, number: int, began: float) -> str:
        """How another attempt between the two failed, at most a minute before `began`; empty when none did."""
        other = self._failed.get((local, remote))
        if other is None or other.number == number or other.began + other.seconds < began - RECENT_SECONDS:
            return ""
        words = other.what_happened
        return f"the {other.who} had failed: {words if len(words) <= _MOST_WORDS else words[:_MOST_WORDS] + '...'}"
