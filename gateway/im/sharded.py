"""ShardedDomain: the accounts of a domain that several nodes serve, of which some live here.

It is an AccountDomain for those that do. What is for others crosses to their home; what is for the domain itself is
answered at any node.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from twisted.internet.defer import Deferred

from gateway.cluster.shards import shard_of
from gateway.im.account import Account, Resource
from gateway.im.answers import UNREACHED, refuse
from gateway.im.domain import AccountDomain
from gateway.im.homes import Homes
from gateway.xmpp.errors import StreamError
from gateway.xmpp.stanzas import AddressedStanza, Stanza


class ShardedDomain(AccountDomain):
    """All accounts of one domain, as one of several nodes serves them."""

    def __init__(self, homes: Homes, **more: Any) -> None:
        """`more` is for the AccountDomain."""
        super().__init__(**more)
        self._homes = homes

    def deliver(self, stanza: AddressedStanza) -> None:
        """Take a stanza to an account, or to the domain itself."""
        if not stanza.to.local or not self._homes.takes(stanza):
            super().deliver(stanza)

    def _write(self) -> list[Deferred[None] | None]:
        """Flush every client that got something, and what crosses."""
        return [*super()._write(), self._homes.flush()]

    def from_client(self, resource: Resource, stanza: Stanza) -> None:
        """Take a stanza from a bound client; while nobody may act for the account, it is answered with an error."""
        if self._homes.is_here(resource.account.address.bare):
            super().from_client(resource, stanza)
        else:
            refuse(resource, stanza, UNREACHED)

    def _unread(self, account: Account, stanza: AddressedStanza) -> None:
        """Take back a stanza that a client never received; if its account lives elsewhere now, it is sent there."""
        if self._homes.takes(stanza):
            self._homes.flush()
        else:
            super()._unread(account, stanza)

    def evict(self, shards: Collection[int], error: Callable[[str], StreamError]) -> None:
        """Close the streams of all clients of these shards."""
        for account in self._accounts.in_memory():
            bare = account.address.bare
            if account.resources and shard_of(bare) in shards:
                self.close_account(account.address, error(bare))
