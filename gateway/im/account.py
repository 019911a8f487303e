"""Account and Resource: the accounts in memory, which are online or have work under way.

An account is in memory while one of its clients is bound, or a stanza for it waits for the store; its roster only while
a client is bound. Everything here can be read without waiting. Code that changes it keeps it consistent with the store.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from gateway.im.blocklist import BlockList
from gateway.im.edits import attribute
from gateway.im.interfaces import IBoundClient
from gateway.im.throttle import Throttle
from gateway.im.work import WorkQueue
from gateway.storage.records import RosterItem
from gateway.xmpp.addresses import Address
from gateway.xmpp.stanzas import AddressedStanza, SentStanza


class Interest(StrEnum):
    """What a client may ask for once and for all, each for itself."""

    ROSTER = "changes of the roster"  # of an "interested resource" (RFC 6121 §2.2)
    BLOCKLIST = "changes of the list of blocked addresses"  # XEP-0191 §3.2
    CARBONS = "copies of messages"  # XEP-0280 §4


class Resource:
    """A bound client: available while `presence` is not None, gone once `is_bound` is False."""

    __slots__ = (
        "_unflushed",
        "account",
        "address",
        "directed",
        "from_attribute",
        "interests",
        "is_bound",
        "presence",
        "priority",
        "session",
        "throttle",
    )

    def __init__(
        self,
        account: Account,
        address: Address,
        session: IBoundClient,
        unflushed: dict[IBoundClient, None],
        throttle: Throttle,
    ) -> None:
        self.account = account
        self.address = address
        self.session = session
        self.from_attribute = attribute("from", address)
        self.is_bound = True
        self.presence: SentStanza | None = None  # the last one broadcast, without 'to'
        self.priority = 0
        self.directed: dict[Address, None] = {}  # those who have seen this resource without being subscribers
        self.interests: set[Interest] = set()
        self.throttle = throttle
        self._unflushed = unflushed

    def send(self, stanza: AddressedStanza) -> None:
        """Deliver a stanza to the client; it is written with the next flush of the domain."""
        self.session.deliver(stanza)
        self._unflushed[self.session] = None


class LoadedRoster:
    """The roster of an account that is online, in the version that the store has."""

    __slots__ = ("items", "version")

    def __init__(self, version: str, items: dict[str, RosterItem]) -> None:
        self.version = version
        self.items = items

    def has_subscriber(self, address: Address) -> bool:
        """Return whether the account shows its presence to this address, whatever its resource."""
        item = self.items.get(address.bare)
        return item is not None and item.subscription in ("from", "both")

    def subscribers(self) -> list[str]:
        """The contacts that receive the account's presence."""
        return [contact for contact, item in self.items.items() if item.subscription in ("from", "both")]

    def subscriptions(self) -> list[str]:
        """The contacts whose presence the account receives."""
        return [contact for contact, item in self.items.items() if item.subscription in ("to", "both")]


_NO_MESSAGES: frozenset[int] = frozenset()  # one for all accounts


class Account:
    """One account, or an address without one; `roster` is None while no client is bound."""

    __slots__ = ("address", "blocked", "exists", "handed_out", "receivers", "resources", "roster", "work")

    def __init__(self, address: Address, work: WorkQueue) -> None:
        self.address = address
        self.work = work
        self.exists: bool | None = None  # None until the store has answered
        self.blocked = BlockList()
        self.roster: LoadedRoster | None = None
        self.resources: dict[str, Resource] = {}
        self.receivers: tuple[Resource, ...] = ()  # available with a priority that is not negative
        # kept messages that were given to a client and may not have arrived yet
        self.handed_out = _NO_MESSAGES

    def presence_changed(self) -> None:
        """Update the receivers, because a resource has become available or unavailable, or has another priority."""
        # messages to the bare address go to all of them (§8.5.2.1.1); the choice is explained in `delivery`
        self.receivers = tuple(resource for resource in self.available() if resource.priority >= 0)

    def available(self) -> Iterator[Resource]:
        """Yield the resources that have sent presence."""
        return (resource for resource in self.resources.values() if resource.presence is not None)

    def shown(self) -> Iterator[tuple[Resource, SentStanza]]:
        """Yield each of these with the presence that it sent last."""
        return ((each, each.presence) for each in self.resources.values() if each.presence is not None)

    def interested(self) -> Iterator[Resource]:
        """Yield the resources that have requested the roster."""
        return (resource for resource in self.resources.values() if Interest.ROSTER in resource.interests)

    def blocks(self, address: Address | None) -> bool:
        """Return whether stanzas from or to this address are stopped; those of the account itself never are."""
        return (
            bool(self.blocked)
            and address is not None
            and address.bare != self.address.bare
            and self.blocked.matches(address)
        )

    def shows_itself_to(self, address: Address, resource: Resource) -> bool:
        """Return whether somebody may know that a resource is available.

        That is its own account and server, a subscriber, and a domain to which it has sent presence: when it joins a
        room, it gets requests from the service, not only from the room.
        """
        return (
            address.bare == self.address.bare
            or address.full == self.address.domain
            or (self.roster is not None and self.roster.has_subscriber(address))
            or any(target.domain == address.domain for target in resource.directed)
        )

    def keep(self, contact: str, item: RosterItem | None, version: str) -> None:
        """Apply a change of the store to the roster."""
        if self.roster is None:
            return
        self.roster.version = version
        if item is None:
            self.roster.items.pop(contact, None)
        else:
            self.roster.items[contact] = item
