"""IStore: the one interface to every store of accounts and their data.

Every method returns a Deferred. One that changes something fires when the change is durable, no matter what happens to
the process afterwards. Calls about one account, or one service, take effect in the order in which they were made, and
one that fails has changed nothing.
All but `has_account`, `keys` and `accounts` fail with NoSuchAccount if there is no such account; all may fail with
StoreUnavailable.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

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
    """Accounts, named by their prepared bare JIDs, and their data."""

    # Accounts

    def add_account(account: str, keys: Collection[ScramKeys]) -> Deferred[None]:
        """Create an account; fail with AccountExists if there is one."""

    def delete_account(account: str) -> Deferred[None]:
        """Delete an account and everything that belongs to it."""

    def has_account(account: str) -> Deferred[bool]:
        """Return whether there is this account."""

    def accounts(domain: str | None = None) -> Deferred[tuple[str, ...]]:
        """Return all accounts, or those of one domain, in order."""

    def keys(account: str, hashes: Sequence[ScramHash]) -> Deferred[ScramKeys | None]:
        """Return the account's keys for the first of these hashes that it has; None if it has
        none or does not exist.
        """

    def set_keys(account: str, keys: Collection[ScramKeys]) -> Deferred[None]:
        """Replace all keys of an account, because its password was changed."""

    # Rosters and subscriptions

    def roster(account: str) -> Deferred[Roster]:
        """Return the whole roster."""

    def roster_changes(account: str, since: str) -> Deferred[tuple[RosterChange, ...] | None]:
        """Return the present state of each contact changed since a version, oldest first; None if that is unknown."""

    def relation(account: str, contact: str) -> Deferred[Relation]:
        """Return the relation of the account to a contact."""

    def update_relation(account: str, contact: str, change: Callable[[Relation], Relation]) -> Deferred[RelationUpdate]:
        """Change a relation, and increment the roster's version if its item changed, atomically.

        `change` is a pure function, because it may run in another thread. If it raises, the Deferred fails with that,
        and nothing changes. StoreFull if there are too many items or requests, or they are too large.
        """

    def requests(account: str) -> Deferred[tuple[SubscriptionRequest, ...]]:
        """Return the unanswered requests, in the order of their contacts."""

    # Offline messages

    def add_offline(account: str, stanza: bytes) -> Deferred[int]:
        """Keep a stanza and return its id; fail with StoreFull if there are too many, or too many bytes."""

    def offline(account: str, after: int = 0, limit: int = 100) -> Deferred[tuple[OfflineMessage, ...]]:
        """Return the oldest stanzas whose ids are greater than `after`, in order."""

    def remove_offline(account: str, ids: Collection[int]) -> Deferred[None]:
        """Delete the stanzas that were delivered; an unknown id is not an error."""

    # Blocking lists (XEP-0191)

    def blocked(account: str) -> Deferred[frozenset[str]]:
        """Return the addresses that the account blocks."""

    def block(account: str, addresses: Collection[str]) -> Deferred[None]:
        """Add addresses to the list; fail with StoreFull, and add none, if there are too many."""

    def unblock(account: str, addresses: Collection[str] | None = None) -> Deferred[None]:
        """Remove addresses from the list; None removes all."""

    # The account's own documents (XEP-0049, XEP-0054)

    def document(account: str, name: str) -> Deferred[bytes | None]:
        """Return the document of this name; None if there is none."""

    def set_document(account: str, name: str, content: bytes | None) -> Deferred[None]:
        """Keep a document, or delete it; fail with StoreFull if there are too many, or it is too large."""

    # The values of services in Python

    def value(service: str, key: str) -> Deferred[bytes | None]:
        """Return the value of a service for this key; None if there is none."""

    def set_value(service: str, key: str, content: bytes | None) -> Deferred[None]:
        """Keep a value, or delete it; fail with StoreFull if there are too many, or it is too large."""

    def values(service: str, prefix: str = "") -> Deferred[dict[str, bytes]]:
        """Return the values of a service whose keys begin with `prefix`, in the order of the keys."""

    def close() -> Deferred[None]:
        """Finish all requests, and close; later calls fail with StoreUnavailable."""


class IShardedStore(Interface):
    """A store that several gateways share, each for some of the shards of the accounts."""

    def claim(leases: Sequence[tuple[int, int]]) -> Deferred[None]:
        """Record a new owner: shards, and the epoch of each. From then on, what former owners write is refused."""


class IWatchedStore(Interface):
    """A store that may fail, because it depends on a disk or on a server."""

    fault = Attribute("The StoreFault of the database, as it was last seen; None while it works.")

    def look() -> Deferred[None]:
        """Find out whether the database works, by a write that changes nothing; `fault` has the answer."""
