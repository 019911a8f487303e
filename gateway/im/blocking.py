"""Blocking: pass nothing between an account and the addresses it blocks (XEP-0191).

To blocked contacts the account looks unavailable. Presence subscriptions stay as they are, but have no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from gateway.im.account import Account, Interest
from gateway.im.answers import request_element
from gateway.im.blocklist import BlockList
from gateway.im.limits import AccountLimits
from gateway.im.presence import Presences
from gateway.im.services import AccountService, Audience, Request
from gateway.storage.interfaces import IStore
from gateway.stream.stanza_reader import AddressLookup
from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import MalformedAddress, StanzaCondition, StanzaError
from gateway.xmpp.namespaces import BLOCKING, BLOCKING_ERRORS
from gateway.xmpp.stanzas import AddressedStanza


class Blocked(StanzaError):
    """The error for a client that writes to somebody whom its account blocks (§3.3); `detail` is for programs."""

    detail = Element(BLOCKING_ERRORS, "blocked")

    def __init__(self) -> None:
        super().__init__(StanzaCondition.NOT_ACCEPTABLE, "you block this address", error_type="cancel")


class Blocking:
    """The service that reads and writes an account's list."""

    def __init__(
        self,
        *,
        store: IStore,
        presences: Presences,
        addresses: AddressLookup,
        limits: AccountLimits,
        tokens: Callable[[], str],
    ) -> None:
        self._store = store
        self._presences = presences
        self._lookup = addresses.lookup
        self._limits = limits
        self._tokens = tokens
        self.services = {
            ("get", BLOCKING, "blocklist"): AccountService(self.get, Audience.OWNER),
            ("set", BLOCKING, "block"): AccountService(self.block, Audience.OWNER),
            ("set", BLOCKING, "unblock"): AccountService(self.unblock, Audience.OWNER),
        }

    async def get(self, request: Request) -> Element | None:
        """Return the whole list; the resource that requests it also gets later changes (§3.2)."""
        request.client.interests.add(Interest.BLOCKLIST)
        return _listing("blocklist", request.account.blocked.addresses)

    async def block(self, request: Request) -> Element | None:
        """Add addresses; contacts who could see the account get unavailable presence (§3.3)."""
        account, addresses = request.account, self._read(request.payload)
        if not addresses:
            raise StanzaError(StanzaCondition.BAD_REQUEST, "there is nothing to block")
        await self._store.block(account.address.bare, addresses)
        self._hide(account, BlockList(addresses))
        account.blocked = BlockList(account.blocked.addresses | addresses)
        self._push(account, _listing("block", addresses))
        return None

    async def unblock(self, request: Request) -> Element | None:
        """Remove addresses from the list, or all; contacts who may see the account get its presence (§3.4, §3.5)."""
        account, addresses = request.account, self._read(request.payload)
        await self._store.unblock(account.address.bare, addresses or None)
        before = account.blocked
        account.blocked = BlockList(before.addresses - addresses if addresses else ())
        self._show(account, before)
        self._push(account, _listing("unblock", addresses))
        return None

    def _read(self, payload: Element) -> frozenset[str]:
        items = list(payload.elements(BLOCKING, "item"))
        if len(items) > self._limits.blocked_at_once:
            problem = f"at most {self._limits.blocked_at_once} addresses may be blocked at once"
            raise StanzaError(StanzaCondition.NOT_ACCEPTABLE, problem)
        try:
            return frozenset(Address.parse(item.get("jid") or "").full for item in items)
        except MalformedAddress as error:
            raise StanzaError(StanzaCondition.JID_MALFORMED, error.problem) from error

    def _hide(self, account: Account, added: BlockList) -> None:
        for contact in self._subscribers(account):
            if added.matches(contact):
                self._presences.hide_from(account, contact)
        for resource in account.resources.values():
            self._presences.hide_directed(resource, added.matches)

    def _show(self, account: Account, before: BlockList) -> None:
        for contact in self._subscribers(account):
            if before.matches(contact):  # contacts who are still blocked, by another address, get nothing
                self._presences.show_to(account, contact)

    def _subscribers(self, account: Account) -> list[Address]:
        return [] if account.roster is None else [self._lookup(contact) for contact in account.roster.subscribers()]

    def _push(self, account: Account, change: Element) -> None:
        for resource in account.resources.values():
            if Interest.BLOCKLIST in resource.interests:
                element = request_element(account.address, resource.address, self._tokens(), change)
                resource.send(AddressedStanza.from_element(element))


def _listing(name: str, addresses: Collection[str]) -> Element:
    return Element(BLOCKING, name, children=[Element(BLOCKING, "item", {"jid": each}) for each in sorted(addresses)])
