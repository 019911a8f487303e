"""The tally of stanzas: how many came in and went out, by kind, and their bytes, since the start."""

from __future__ import annotations

from collections import Counter

from gateway.notices.attempts.records import Kind
from gateway.notices.notices import Notice, StanzasPassed
from gateway.operations.minutes import Series

KINDS = frozenset(("message", "presence", "iq"))


class StanzaTally:
    """A subscriber for every batch that passes, so it has plain numbers. The metrics and the page read them."""

    KINDS = (StanzasPassed,)

    def __init__(self) -> None:
        self.stanzas: Counter[tuple[bool, str, str]] = Counter()
        """By whether they came in, by what they came or went, and their kind."""
        self.bytes: Counter[tuple[bool, str]] = Counter()

    def notice(self, passed: Notice) -> None:
        """Count a batch."""
        assert isinstance(passed, StanzasPassed)
        came_in, via = passed.came_in, passed.via
        names = [stanza.name for stanza in passed.stanzas]
        for name in set(names):
            self.stanzas[came_in, via, name if name in KINDS else "other"] += names.count(name)
        self.bytes[came_in, via] += passed.size

    def totals(self) -> dict[Series, int]:
        """Return how many stanzas have come in from other servers, and gone out to them."""
        return {Series.IN: self._between_servers(came_in=True), Series.OUT: self._between_servers(came_in=False)}

    def _between_servers(self, *, came_in: bool) -> int:
        return sum(self.stanzas[came_in, Kind.SERVER, name] for name in (*KINDS, "other"))
