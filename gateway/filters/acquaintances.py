"""Acquaintances: people who are not strangers, because one of our users has recently written to them.

A pair of bare JIDs, ours and theirs, is remembered for 30 days after ours last sent theirs a message, a presence or a
request unprompted. Each of our users has a share of the table, so a busy bridge pushes out only its own pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.bounds.tables import Bounded
from gateway.xmpp.stanzas import AddressedStanza

MOST_ACQUAINTANCES = 200_000
REMEMBERED_SECONDS = 30 * 86400.0
_FRESH_SECONDS = 86400.0  # a pair is not noted again within a day

_NOT_OF_ACCORD = frozenset({"error", "unsubscribed", "unavailable"})


class Acquaintances:
    """Pairs of our users and their correspondents, with when ours last wrote; times are seconds since 1970."""

    def __init__(self, most: int = MOST_ACQUAINTANCES) -> None:
        self._pairs: Bounded[tuple[str, str], float] = Bounded(most)
        self.has_changed = False

    def __len__(self) -> int:
        return len(self._pairs)

    def note(self, stanza: AddressedStanza, now: float) -> None:
        """Remember whom one of ours writes to."""
        ours, theirs = stanza.from_, stanza.to
        if ours is None or theirs is None or stanza.type in _NOT_OF_ACCORD or stanza.is_response:
            return
        key = (ours.bare, theirs.bare)
        known = self._pairs.get(key)
        if known is None or now - known >= _FRESH_SECONDS:
            self._pairs.put(key, now, ours.bare)
            self.has_changed = True

    def know(self, ours: str, theirs: str, now: float) -> bool:
        """Return whether `ours` has written to `theirs` within that time."""
        known = self._pairs.get((ours, theirs))
        return known is not None and now - known < REMEMBERED_SECONDS

    def dump(self, now: float) -> Iterator[str]:
        """Yield a line for each pair that is still known."""
        for (ours, theirs), when in self._pairs.items():
            if now - when < REMEMBERED_SECONDS:
                yield f"{int(when)}\t{ours}\t{theirs}\n"

    def restore(self, lines: Iterable[str], now: float) -> int:
        """Take over the lines that `dump` yielded; return how many could not be read."""
        wrong = 0
        for line in lines:
            try:
                when, ours, theirs = line.rstrip("\n").split("\t")
                since = float(when)
            except ValueError:
                wrong += 1
                continue
            if now - since < REMEMBERED_SECONDS:
                self._pairs.put((ours, theirs), min(since, now), ours)
        return wrong
