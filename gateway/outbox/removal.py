"""Removal: how the kept stanzas of one pair leave the disk other than by settlement.

Some have arrived after all, some expire before they are sent, and one of them may be what the other side fails over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from gateway.outbox.endings import expired, not_taken
from gateway.outbox.errors import ignore_failure
from gateway.outbox.flight import Flight
from gateway.outbox.keeper import Keeper
from gateway.outbox.waiting import Waiting
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.errors import StanzaError
from gateway.xmpp.stanzas import AddressedStanza


class Removal:
    """Takes kept stanzas of one pair off the disk, one by one."""

    def __init__(
        self,
        pair: DomainPair,
        keeper: Keeper,
        flight: Flight,
        *,
        bounce: Callable[[AddressedStanza, StanzaError], None],
        removed: Callable[[], None],
    ) -> None:
        """`removed` is called when the disk has done it."""
        self._pair = pair
        self._keeper = keeper
        self._flight = flight
        self._bounce = bounce
        self._removed = removed

    def remove(self, numbers: Collection[int]) -> None:
        """Remove these: they have arrived, or were answered."""
        outbox = self._keeper.outbox
        if outbox is not None and numbers:
            outbox.remove(numbers).addCallbacks(lambda _: self._removed(), ignore_failure)

    def expire(self, stanza: Waiting) -> None:
        """Bounce and remove a stanza whose time is over."""
        self._keeper.counts["expired"] += 1
        self._bounce(stanza, expired(self._pair.target, stanza.accepted))
        self.remove([stanza.number])

    def look_for_the_blamed(self, suspects: Sequence[tuple[AddressedStanza, int]]) -> None:
        """Bounce and set aside the stanza over which the other side has ended its streams, if it is known."""
        blamed = self._flight.window.blamed
        for stanza, number in suspects:
            if number == blamed:
                self._bounce(stanza, not_taken(self._pair.target))
                self.set_aside(number)

    def set_aside(self, number: int) -> None:
        """Keep a stanza apart for the operator: the other side has ended its streams over it."""
        self._keeper.counts["set_aside"] += 1
        self._flight.window = self._flight.window.acquitted()
        outbox = self._keeper.outbox
        if outbox is not None:
            reason = f"streams to {self._pair.target} ended over it"
            outbox.set_aside(number, reason).addCallbacks(lambda _: self._removed(), ignore_failure)
