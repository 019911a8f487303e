"""The records of a store, and the limits for one account.

An account and a contact are prepared bare JIDs. The relation of an account to a contact is a `Relation`: a roster item,
an unanswered request of the contact to see our presence, both, or neither. The nine states of RFC 6121 §A.1 are
relations, so a transition is one function from a relation to a relation.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.storage.errors import StoreFull
from gateway.xmpp.digits import read_number
from gateway.xmpp.errors import Misuse

_MOST_VERSION = 10**15 - 1


class Subscription(StrEnum):
    """The subscription state of a contact: which side sees the other's presence (RFC 6121 §2.1.2.5)."""

    NONE = "none"
    TO = "to"
    FROM = "from"
    BOTH = "both"


@dataclass(frozen=True, kw_only=True)
class RosterItem:
    """A contact in a roster (RFC 6121 §2.1.2)."""

    contact: str
    name: str = ""
    groups: frozenset[str] = frozenset()
    subscription: Subscription = Subscription.NONE
    ask: bool = False  # we asked to see their presence, and they have not answered
    approved: bool = False  # they may see ours as soon as they ask (§3.4)

    @property
    def size(self) -> int:
        """The size of its strings in bytes."""
        return sum(len(text.encode()) for text in (self.contact, self.name, *self.groups))


@dataclass(frozen=True, kw_only=True)
class Relation:
    """The relation of an account to one contact."""

    item: RosterItem | None = None
    request: bytes | None = field(
        default=None, repr=False
    )  # the contact's unanswered presence stanza of type subscribe


@dataclass(frozen=True, kw_only=True)
class RelationUpdate:
    """A relation before and after a change, and the roster's version after it."""

    before: Relation
    after: Relation
    version: str

    @property
    def changes_roster(self) -> bool:
        """Return whether there is anything to push."""
        return self.before.item != self.after.item


@dataclass(frozen=True, kw_only=True)
class Roster:
    """A whole roster in one version, ordered by contact."""

    version: str
    items: tuple[RosterItem, ...]


@dataclass(frozen=True, kw_only=True)
class RosterChange:
    """The change of one contact in one version; `item` is None if the contact was removed."""

    version: str
    contact: str
    item: RosterItem | None


@dataclass(frozen=True, kw_only=True)
class SubscriptionRequest:
    """A contact's unanswered request, as the stanza that was received (RFC 6121 §3.1.3)."""

    contact: str
    stanza: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class OfflineMessage:
    """A stanza that waits for its account to come online; ids increase, and none is used twice."""

    id: int
    stanza: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class StoreLimits:
    """The limits for one account, and for one service."""

    roster_items: int = 5000
    item_bytes: int = 16_384
    requests: int = 1000
    request_bytes: int = 16_384
    offline_messages: int = 1000
    offline_bytes: int = 10_485_760
    blocked: int = 5000
    name_bytes: int = 2400  # of what rows are found by; an index row of PostgreSQL has 2704 bytes at most
    documents: int = 100
    document_bytes: int = 262_144
    service_values: int = 10_000  # of one service, not of an account
    service_value_bytes: int = 65_536
    forgotten_contacts: int = 500  # the removed contacts remembered for clients with an old roster version

    def check_relation(self, before: Relation, after: Relation) -> None:
        """Refuse an item or request that is too large; the store counts them."""
        if after.item and after.item != before.item:
            check_limit("bytes in a roster item", after.item.size, self.item_bytes)
        if after.request and after.request != before.request:
            check_limit("bytes in a subscription request", len(after.request), self.request_bytes)

    def check_name(self, what: str, name: str, owner: str = "an account") -> None:
        """Refuse a name that is too long to find a row by; `what` says of what it is the name."""
        check_limit(f"bytes in the name of a {what}", len(name.encode()), self.name_bytes, owner)

    def check_value(self, key: str, content: bytes, number: int) -> None:
        """Refuse a value that is too large, or one too many."""
        self.check_name("value", key, "a service")
        check_limit("bytes in a value", len(content) + len(key.encode()), self.service_value_bytes, "a service")
        check_limit("values", number, self.service_values, "a service")


def check_limit(what: str, amount: int, limit: int, owner: str = "an account") -> None:
    """Raise StoreFull if the new amount would be beyond the limit."""
    if amount > limit:
        raise StoreFull(what, limit, owner)


def check_contact(contact: str, relation: Relation) -> None:
    """Raise Misuse if a change would make the relation one with a different contact."""
    if relation.item and relation.item.contact != contact:
        raise Misuse(f"a change for {contact} gave an item for {relation.item.contact}")


def write_version(epoch: str, number: int) -> str:
    """Return a roster version for the wire; `epoch` differs after an account was deleted and created again."""
    return f"{epoch}-{number}"


def read_version(text: str, epoch: str) -> int | None:
    """Return the number in a version that a client remembers; None if it is not of this account's roster."""
    found, _, number = text.rpartition("-")
    return read_number(number, _MOST_VERSION) if found == epoch else None
