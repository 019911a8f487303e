"""IStore: the one interface to every store of accounts and their data.

Every method gives a Deferred. One that changes something fires when the change is kept, whatever happens to the process
then. Calls take effect in the order in which they were made, and one that fails has changed nothing. All but
`has_account`, `keys` and `accounts` fail with NoSuchAccount when there is no such account; all may fail with
StoreUnavailable.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from twisted.internet.defer import Deferred
from zope.interface import Interface

from gateway.sasl.keys import ScramHash, ScramKeys
from gateway.storage.records import (
    OfflineMessage,
    Relation,
    RelationUpdate,
    Roster,
    RosterChange,
    SubscriptionRequest,
)


class IStore(Interface):
    """Accounts, named by their prepared bare JIDs, and what belongs to them."""

    # Accounts

    def add_account(account: str, keys: Collection[ScramKeys]) -> Deferred[None]:
        """Make an account; AccountExists where there is one."""

    def delete_account(account: str) -> Deferred[None]:
        """Forget an account and everything that belongs to it."""

    def has_account(account: str) -> Deferred[bool]:
        """Whether there is this account."""

    def accounts(domain: str | None = None) -> Deferred[tuple[str, ...]]:
        """All accounts, or those of one domain, in order."""

    def keys(account: str, hashes: Sequence[ScramHash]) -> Deferred[ScramKeys | None]:
        """The account's keys of the first of these hashes that it has any of; None for none, and for no account."""

    def set_keys(account: str, keys: Collection[ScramKeys]) -> Deferred[None]:
        """Replace all keys of an account: its password was changed."""

    # Rosters and subscriptions

    def roster(account: str) -> Deferred[Roster]:
        """The whole roster."""

    def roster_changes(account: str, since: str) -> Deferred[tuple[RosterChange, ...] | None]:
        """What became of each contact that changed since a version, oldest first; None where that is not known."""

    def relation(account: str, contact: str) -> Deferred[Relation]:
        """What the account has to do with a contact."""

    def update_relation(account: str, contact: str, change: Callable[[Relation], Relation]) -> Deferred[RelationUpdate]:
        """Change a relation, and count the roster's version up if its item changed, with nothing in between.

        `change` is a pure function: it may run in another thread. What it raises is the failure, and nothing changes.
        StoreFull when there are too many items or requests, or they are too large.
        """

    def requests(account: str) -> Deferred[tuple[SubscriptionRequest, ...]]:
        """The unanswered requests, in the order of their contacts."""

    # Messages that wait

    def add_offline(account: str, stanza: bytes) -> Deferred[int]:
        """Keep a stanza, and give its id; StoreFull when there are too many, or too many bytes."""

    def offline(account: str, after: int = 0, limit: int = 100) -> Deferred[tuple[OfflineMessage, ...]]:
        """The oldest stanzas whose ids are greater than `after`, in order."""

    def remove_offline(account: str, ids: Collection[int]) -> Deferred[None]:
        """Forget the stanzas that were delivered; an id that is not there is no error."""

    # Blocking lists (XEP-0191)

    def blocked(account: str) -> Deferred[frozenset[str]]:
        """The addresses that the account blocks."""

    def block(account: str, addresses: Collection[str]) -> Deferred[None]:
        """Add addresses to the list; StoreFull when there are too many, and then none is added."""

    def unblock(account: str, addresses: Collection[str] | None = None) -> Deferred[None]:
        """Take addresses from the list; None takes all."""

    # Documents of the account's own (XEP-0049, XEP-0054)

    def document(account: str, name: str) -> Deferred[bytes | None]:
        """The document of this name; None when there is none."""

    def set_document(account: str, name: str, content: bytes | None) -> Deferred[None]:
        """Keep a document, or forget it; StoreFull when there are too many, or it is too large."""

    def close() -> Deferred[None]:
        """Finish what was asked for, and close; later calls fail with StoreUnavailable."""
