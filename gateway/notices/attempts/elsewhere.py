"""Elsewhere: why the last attempts between two domains failed, for an attempt that ends without its own reason.

Dialback takes two connections. When the second one fails, the first may get no answer; its record then says what
happened on the second. The table is bounded, with a share for each domain: the oldest failure is dropped first.
"""

from __future__ import annotations

from gateway.bounds.tables import Bounded, family
from gateway.notices.attempts.records import Attempt, Direction
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.notices import Notice

MOST_WAYS = 256
RECENT_SECONDS = 60.0
_MOST_WORDS = 250

StreamWay = tuple[str, str, Direction]


class Elsewhere:
    """Remember the last failed attempt between any two domains, in each direction, from notices."""

    def __init__(self, most: int = MOST_WAYS) -> None:
        self._failed: Bounded[StreamWay, Attempt] = Bounded(most)

    def notice(self, notice: Notice) -> None:
        """Keep an attempt that failed."""
        if isinstance(notice, Attempt) and notice.verdict.is_failure and notice.local and notice.remote:
            way = (notice.local, notice.remote, notice.direction)
            self._failed.put(way, notice, family(notice.remote))

    def said(self, log: StreamLog) -> str:
        """Return how an attempt in the other direction failed, at most a minute before this one; empty if none did."""
        back = Direction.OUT if log.direction is Direction.IN else Direction.IN
        other = self._failed.get((log.local, log.remote, back))
        if other is None or other.began + other.seconds < log.began - RECENT_SECONDS:
            return ""
        words = other.what_happened
        return f"the {other.who} had failed: {words if len(words) <= _MOST_WORDS else words[:_MOST_WORDS] + '...'}"
