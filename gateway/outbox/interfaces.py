"""IOutbox: the one interface to every store of waiting stanzas.

Every method but `waiting` returns a Deferred. One that changes something fires when the change is durable, no matter
what happens to the process afterwards. Calls take effect in the order in which they were made, and one that fails has
changed nothing; but failed calls of `settle` and `remove` are remembered and done when the outbox works again. All may
fail with OutboxUnavailable, which names the condition; `put` and `put_newest` may also fail with OutboxFull.

A `pair` consists of the sender's domain and the domain that the stanza waits for.

What is done for each flush of a pair has a second form, `put_for` and `settle_for`, which calls a method with the
outcome instead of returning a Deferred. It may do so before it returns.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from gateway.outbox.errors import OutboxError
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


class Putter(Protocol):
    """Somebody who puts stanzas. One of the two methods is called, once."""

    def kept(self, numbers: Sequence[int]) -> None:
        """Note that they are kept, under these numbers."""

    def not_kept(self, error: OutboxError) -> None:
        """Note that none of them is kept."""


class Settler(Protocol):
    """Somebody who settles stanzas. One of the two methods is called, once, with the `mark` that was given."""

    def recorded(self, upto: int, mark: int) -> None:
        """Note that everything up to this number is settled."""

    def not_recorded(self, error: OutboxError, mark: int) -> None:
        """Note that this could not be recorded."""


class IOutbox(Interface):
    """Stanzas that wait for other servers, in order within each pair of domains."""

    condition = Attribute("The Condition in which the outbox is.")
    stanzas = Attribute("The number of waiting stanzas, including those that are being put.")
    size = Attribute("Their size in bytes.")

    # The life of a stanza

    def put(pair: DomainPair, stanzas: Sequence[bytes], *, accepted: float, expires: float) -> Deferred[Sequence[int]]:
        """Keep the stanzas of one flush, all or none; return their numbers, in order."""

    def put_for(putter: Putter, pair: DomainPair, stanzas: Sequence[bytes], *, accepted: float, expires: float) -> None:
        """Do as `put` does, for at least one stanza."""

    def put_newest(pair: DomainPair, key: bytes, stanza: bytes, *, accepted: float, expires: float) -> Deferred[int]:
        """Keep a stanza in place of the one under the same key, behind everything else of the pair."""

    def page(pair: DomainPair, after: int = 0, limit: int = 500) -> Deferred[tuple[KeptStanza, ...]]:
        """Return the next stanzas of a pair behind a number, oldest first.

        There are at most `limit`, and at most as many bytes as fit in a page; but at least one if there is any.
        """

    def settle(pair: DomainPair, upto: int) -> Deferred[None]:
        """Forget everything of the pair up to this number: it has been delivered, or has had another end."""

    def settle_for(settler: Settler, pair: DomainPair, upto: int, mark: int) -> None:
        """Do as `settle` does."""

    def mark_read(pair: DomainPair, upto: int) -> Deferred[None]:
        """Record that the other server has read everything of the pair up to this number; 0: nothing.

        It is settled when another process opens the outbox the next time. This process may still send it again.
        """

    def remove(numbers: Collection[int]) -> Deferred[None]:
        """Forget these: each has had its end."""

    def expired(now: float, limit: int = 50) -> Deferred[tuple[ExpiredStanza, ...]]:
        """Return about `limit` expired stanzas, oldest first; the caller answers their senders and then removes them.

        If a crash comes between the answer and the removal, the sender is answered twice, but never not at all.
        """

    def waiting(pair: DomainPair) -> int:
        """Return how many stanzas of a pair wait, including those that are being put."""

    # For operators

    def hold(domain: Domain) -> Deferred[None]:
        """Record that nothing may be sent to the domain until it is released."""

    def release(domain: Domain) -> Deferred[None]:
        """Release the domain."""

    def held() -> Deferred[frozenset[Domain]]:
        """Read the domains that are held, whether anything waits for them or not."""

    def drop(domain: Domain) -> Deferred[int]:
        """Forget everything that waits for the domain, and what was set aside; return the number of stanzas."""

    def set_aside(number: int, reason: str) -> Deferred[None]:
        """Take a stanza out of its queue, and keep it for the operator to look at."""

    def aside(domain: Domain | None = None) -> Deferred[tuple[AsideStanza, ...]]:
        """Return what was set aside, oldest first."""

    def keep_aside(pair: DomainPair, stanza: bytes, *, accepted: float, reason: str) -> Deferred[int | None]:
        """Set aside what another outbox had set aside; return its number, or None if there is no room for it."""

    def take_aside(number: int) -> Deferred[None]:
        """Forget one stanza that was set aside."""

    def withhold(
        pair: DomainPair, stanza: bytes, *, accepted: float, expires: float, rule: str
    ) -> Deferred[int | None]:
        """Hold a stanza back for the operator; return its number, or None if there is no room for it."""

    def withheld() -> Deferred[tuple[WithheldStanza, ...]]:
        """Read what is held back, oldest first."""

    def take_withheld(number: int) -> Deferred[WithheldStanza | None]:
        """Take one stanza out for good; None when it is not there."""

    def expire_withheld(now: float) -> Deferred[int]:
        """Forget what has been held back for its time; the result is how many stanzas."""

    def summary(now: float) -> Deferred[tuple[DomainSummary, ...]]:
        """Return how many stanzas wait for each domain, by age; those with the most stanzas first."""

    def oldest() -> Deferred[float | None]:
        """Read when the oldest row was put that still has a stanza; None when there is none."""

    # For routes

    def pairs() -> Deferred[tuple[PairState, ...]]:
        """Return the pairs that have stanzas, the one with the oldest first."""

    def state(domain: Domain) -> Deferred[DomainState]:
        """Return what is known about one domain."""

    def remember(domain: Domain, failing: Failing | None) -> Deferred[None]:
        """Record what is known about a domain that cannot be reached; None: it was reached."""

    def close() -> Deferred[None]:
        """Carry out what was requested, and accept nothing further."""
