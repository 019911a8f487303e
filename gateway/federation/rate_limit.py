"""RateLimit: how long to stop reading from a peer above its rate (`stanzas_per_second`). Nothing is dropped.

A bucket fills at the agreed rate and holds what may come in one second. A peer that overdraws it is read from again
once the bucket is no longer in debt.
"""

from __future__ import annotations

from gateway.bounds.tables import charged

BURST_SECONDS = 1.0


class RateLimit:
    """The rate of one stream."""

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._paid_until = now - BURST_SECONDS

    def took(self, count: int, now: float) -> float:
        """Count stanzas that have come; return the seconds for which nothing more is read."""
        self._paid_until = charged(self._paid_until, count / self._per_second, holds=BURST_SECONDS, now=now)
        return max(0.0, self._paid_until - now)
