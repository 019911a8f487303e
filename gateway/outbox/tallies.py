"""Tallies: how much is kept of each pair and for each sender, in memory, and the check of the limits.

A put is counted when it is requested, and subtracted if it fails; removals are counted when they are done. So the
tallies are never too low, and a refusal needs no access to the disk.
"""

from __future__ import annotations

from gateway.outbox.errors import Bound, OutboxFull
from gateway.outbox.records import OutboxLimits
from gateway.xmpp.addresses import Domain, DomainPair


class Tally:
    """The tally of one pair; `id` is that of its row."""

    __slots__ = ("bytes", "id", "is_stored", "pair", "stanzas")

    def __init__(self, id: int, pair: DomainPair, *, is_stored: bool = False) -> None:
        self.id = id
        self.pair = pair
        self.is_stored = is_stored
        self.stanzas = 0
        self.bytes = 0


class Tallies:
    """The tallies of all pairs."""

    def __init__(self, limits: OutboxLimits) -> None:
        self.limits = limits
        self.stanzas = 0
        self.bytes = 0
        self._busy = 0  # pairs of which something is kept
        self._next_id = 1
        self._pairs: dict[DomainPair, Tally] = {}
        self._by_id: dict[int, Tally] = {}
        self._senders: dict[Domain, int] = {}

    def find(self, pair: DomainPair) -> Tally | None:
        """Return the tally of a pair, if it has one."""
        return self._pairs.get(pair)

    def of_row(self, id: int) -> Tally:
        """Return the tally of the pair with that row."""
        return self._by_id[id]

    def load(self, id: int, pair: DomainPair, stanzas: int, size: int) -> None:
        """Take over the content of a file for a pair."""
        tally = self._make(id, pair, is_stored=True)
        self.count(tally, stanzas, size)

    def admit(self, pair: DomainPair, stanzas: int, size: int) -> Tally:
        """Count what is to be kept; raise OutboxFull, and count nothing, if it would exceed a limit."""
        tally = self._pairs.get(pair)
        if self.bytes + size > self.limits.bytes:
            raise OutboxFull(Bound.TOTAL)
        # As much as is still free: there is always room for the next sender.
        if self._senders.get(pair.sender, 0) + size > self.limits.bytes - self.bytes:
            raise OutboxFull(Bound.SENDER)
        if (tally.stanzas if tally else 0) + stanzas > self.limits.pair_stanzas:
            raise OutboxFull(Bound.PAIR)
        if (tally is None or not tally.stanzas) and self._busy >= self.limits.pairs:
            raise OutboxFull(Bound.PAIRS)
        if tally is None:
            tally = self._make(self._next_id, pair)
        self.count(tally, stanzas, size)
        return tally

    def count(self, tally: Tally, stanzas: int, size: int) -> None:
        """Count kept stanzas, or, with negative figures, removed ones."""
        self._busy -= bool(tally.stanzas)
        tally.stanzas += stanzas
        self._busy += bool(tally.stanzas)
        tally.bytes += size
        self.stanzas += stanzas
        self.bytes += size
        sender = tally.pair.sender
        left = self._senders.get(sender, 0) + size
        if left:
            self._senders[sender] = left
        else:
            self._senders.pop(sender, None)

    def forget_empty(self) -> list[int]:
        """Forget the pairs of which nothing is kept; return their rows."""
        empty = [tally for tally in self._pairs.values() if not tally.stanzas]
        for tally in empty:
            self.forget(tally)
        return [tally.id for tally in empty]

    def forget(self, tally: Tally) -> None:
        """Forget a pair of which nothing is kept."""
        del self._pairs[tally.pair]
        del self._by_id[tally.id]

    def _make(self, id: int, pair: DomainPair, *, is_stored: bool = False) -> Tally:
        tally = self._pairs[pair] = self._by_id[id] = Tally(id, pair, is_stored=is_stored)
        self._next_id = max(self._next_id, id + 1)
        return tally
