"""Contacts: the roster of an account, as its clients read and write it (RFC 6121 §2).

The store has the roster; an account that is online has a copy in memory, which follows every change. Changes are pushed
to each resource that has ever requested the roster. Clients confirm pushes, but nobody waits for that: a result for the
account itself ends there, whatever its id (`delivery`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gateway.im import roster
from gateway.im.account import Account, Resource
from gateway.im.answers import presence_to, request_element
from gateway.im.limits import AccountLimits
from gateway.im.presence import Presences
from gateway.im.relations import after_removal, after_setting, state_of
from gateway.im.services import ANSWERED, AccountService, Answered, Audience, Request
from gateway.im.subscriptions import on_removal
from gateway.routing.interfaces import IRouter
from gateway.storage.interfaces import IStore
from gateway.storage.records import RelationUpdate
from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.namespaces import ROSTER
from gateway.xmpp.stanzas import AddressedStanza


class Contacts:
    """The roster service."""

    def __init__(
        self,
        *,
        router: IRouter,
        store: IStore,
        presences: Presences,
        limits: AccountLimits,
        tokens: Callable[[], str],
    ) -> None:
        self._router = router
        self._store = store
        self._presences = presences
        self._limits = limits
        self._tokens = tokens
        self.services = {
            ("get", ROSTER, "query"): AccountService(self.get, Audience.OWNER, StanzaCondition.FORBIDDEN),
            ("set", ROSTER, "query"): AccountService(self.set, Audience.OWNER, StanzaCondition.FORBIDDEN),
        }

    async def get(self, request: Request) -> Element | Answered:
        """Return the roster, or the changes since the version that the client remembers (§2.1.3, §2.6)."""
        resource, account = request.client, request.account
        resource.wants_roster = True
        known = request.payload.get("ver")
        changes = await self._store.roster_changes(account.address.bare, known) if known else None
        if changes is None:
            assert account.roster is not None
            version = account.roster.version if known is not None else None
            return roster.result(account.roster.items.values(), version)
        pushes = [self._push(resource, query) for query in roster.pushes_since(changes)]
        request.answer(None)  # before the pushes, which "follow" it (§2.6.3)
        for push in pushes:
            resource.send(push)
        return ANSWERED

    async def set(self, request: Request) -> None:
        """Add, change or remove one contact (§2.3, §2.4, §2.5)."""
        account = request.account
        change = roster.read_set(request.payload, account.address, self._limits)
        contact = change.contact.bare
        if change.removes:
            await self._remove(account, change.contact)
            return
        update = await self._store.update_relation(
            account.address.bare, contact, partial(after_setting, contact, change.name, change.groups)
        )
        self.push(account, contact, update)

    async def _remove(self, account: Account, contact: Address) -> None:
        """Remove the item, and both subscriptions with it (§2.5.2)."""
        assert account.roster is not None
        if contact.bare not in account.roster.items:
            raise StanzaError(StanzaCondition.ITEM_NOT_FOUND, "the roster has no such contact")
        update = await self._store.update_relation(account.address.bare, contact.bare, after_removal)
        state = state_of(update.before)
        if state.has_from:
            self._presences.hide_from(account, contact)
        for type_ in on_removal(state):
            self._router.route(presence_to(type_, account.address, contact))
        self.push(account, contact.bare, update)

    def push(self, account: Account, contact: str, update: RelationUpdate) -> None:
        """Apply a change of the store, and push it to every interested resource (§2.1.6)."""
        if not update.changes_roster:
            return
        account.keep(contact, update.after.item, update.version)
        query = roster.push(contact, update.after.item, update.version)
        for resource in account.interested():
            resource.send(self._push(resource, query))

    def _push(self, resource: Resource, query: Element) -> AddressedStanza:
        sender = resource.account.address
        return AddressedStanza.from_element(request_element(sender, resource.address, self._tokens(), query))
