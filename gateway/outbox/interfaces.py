"""IOutbox: the one interface to every store of waiting stanzas.

Every method but `waiting` gives a Deferred. One that changes something fires when the change is kept, whatever
happens to the process then. Calls take effect in the order in which they were made, and one that fails has changed
nothing; but `settle` and `remove` are remembered when they fail, and done when the outbox works again. All may fail
with OutboxUnavailable, which names the condition; `put` and `put_newest` may also fail with OutboxFull.

A `pair` is that of the sender's domain and the domain that the stanza waits for.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from gateway.outbox.records import (
    AsideStanza,
    DomainState,
    DomainSummary,
    ExpiredStanza,
    Failing,
    KeptStanza,
    PairState,
    WithheldStanza,
)
from gateway.xmpp.addresses import Domain, DomainPair


class IOutbox(Interface):
    """Stanzas that wait for other servers, in order within each pair of domains."""

    condition = Attribute("The Condition in which the outbox is.")
    stanzas = Attribute("How many stanzas wait, with those that are being put.")
    size = Attribute("How many bytes they take.")

    # The life of a stanza

    def put(pair: DomainPair, stanzas: Sequence[bytes], *, accepted: float, expires: float) -> Deferred[Sequence[int]]:
        """Keep what one flush brought, all of it or nothing; the result is the numbers, in order."""

    def put_newest(pair: DomainPair, key: bytes, stanza: bytes, *, accepted: float, expires: float) -> Deferred[int]:
        """Keep a stanza in place of the one that was kept under the same key, behind everything else of the pair."""

    def page(pair: DomainPair, after: int = 0, limit: int = 500) -> Deferred[tuple[KeptStanza, ...]]:
        """Read the next stanzas of a pair behind a number, oldest first.

        There are at most `limit`, and at most as many bytes as a page may have; but one at least where there is one.
        """

    def settle(pair: DomainPair, upto: int) -> Deferred[None]:
        """Forget everything of the pair up to this number: it has been delivered, or has had another end."""

    def mark_read(pair: DomainPair, upto: int) -> Deferred[None]:
        """Note that the other server has read everything of the pair up to this number; 0: nothing.

        It is settled when the outbox is next opened by another process. This one may yet send it again.
        """

    def remove(numbers: Collection[int]) -> Deferred[None]:
        """Forget these: each has had its end."""

    def expired(now: float, limit: int = 50) -> Deferred[tuple[ExpiredStanza, ...]]:
        """Read about `limit` stanzas whose time is over, oldest first; whoever tells their senders removes them.

        An end that is told before it is noted is told twice after a crash in between, but never not at all.
        """

    def waiting(pair: DomainPair) -> int:
        """Return how many stanzas of a pair wait, with those that are being put."""

    # For people

    def hold(domain: Domain) -> Deferred[None]:
        """Note that nothing is to be sent to the domain until it is released."""

    def release(domain: Domain) -> Deferred[None]:
        """Note that it is."""

    def drop(domain: Domain) -> Deferred[int]:
        """Forget everything that waits for the domain, and what was set aside; the result is how many stanzas."""

    def set_aside(number: int, reason: str) -> Deferred[None]:
        """Take a stanza out of its queue, and keep it for the operator to look at."""

    def aside(domain: Domain | None = None) -> Deferred[tuple[AsideStanza, ...]]:
        """Read what was set aside, oldest first."""

    def withhold(
        pair: DomainPair, stanza: bytes, *, accepted: float, expires: float, rule: str
    ) -> Deferred[int | None]:
        """Hold a stanza back for the operator; the result is its number, or None where there is no room for it."""

    def withheld() -> Deferred[tuple[WithheldStanza, ...]]:
        """Read what is held back, oldest first."""

    def take_withheld(number: int) -> Deferred[WithheldStanza | None]:
        """Take one stanza out for good; None when it is not there."""

    def expire_withheld(now: float) -> Deferred[int]:
        """Forget what has been held back for its time; the result is how many stanzas."""

    def summary(now: float) -> Deferred[tuple[DomainSummary, ...]]:
        """Read how many stanzas wait for which domain, by age; those with most stanzas first."""

    # For routes

    def pairs() -> Deferred[tuple[PairState, ...]]:
        """Read which pairs have stanzas, the one with the oldest first."""

    def state(domain: Domain) -> Deferred[DomainState]:
        """Read what is known of one domain."""

    def remember(domain: Domain, failing: Failing | None) -> Deferred[None]:
        """Note what is known of a domain that cannot be reached; None: it was reached."""

    def close() -> Deferred[None]:
        """Do what was asked for, and take no more."""
