"""BlockList: the addresses that an account blocks, and the senders that they match (XEP-0191 §6)."""

from __future__ import annotations

from collections.abc import Collection

from gateway.xmpp.addresses import Address

_NOBODY: frozenset[str] = frozenset()  # one for all accounts


class BlockList:
    """Immutable. A bare address matches all its resources, a domain everybody in it."""

    __slots__ = ("addresses",)

    def __init__(self, addresses: Collection[str] = ()) -> None:
        self.addresses = frozenset(addresses) if addresses else _NOBODY

    def __bool__(self) -> bool:
        return bool(self.addresses)

    def matches(self, address: Address) -> bool:
        """Return whether any entry of the list matches this address."""
        listed = self.addresses
        return (
            address.full in listed
            or address.bare in listed
            or address.domain in listed
            or f"{address.domain}/{address.resource}" in listed
        )
