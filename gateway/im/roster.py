"""RosterService: the roster of an account, as its clients read and write it (RFC 6121 §2).

The store has the roster; an account that is online has a copy in memory, which follows every change. Changes are pushed
to each resource that has ever requested the roster, and to the components that may read it (XEP-0356). Clients confirm
pushes, but nobody waits for that: a result for the account itself ends there, whatever its id (`delivery`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from gateway.im import roster_elements
from gateway.im.account import Account, Interest, Resource
from gateway.im.answers import presence_to, request_element
from gateway.im.limits import AccountLimits
from gateway.im.presence import Presences
from gateway.im.privileged import PrivilegedEntities
from gateway.im.relations import after_removal, after_setting, after_subscribing, state_of
from gateway.im.services import ANSWERED, AccountService, Answered, Audience, Request
from gateway.im.subscriptions import on_removal
from gateway.routing.interfaces import IRouter
from gateway.routing.privileges import covers
from gateway.storage.interfaces import IStore
from gateway.storage.records import Relation, RelationUpdate, Subscription
from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.namespaces import ROSTER
from gateway.xmpp.stanzas import AddressedStanza


class RosterService:
    """The roster service."""

    def __init__(
        self,
        *,
        router: IRouter,
        store: IStore,
        presences: Presences,
        limits: AccountLimits,
        tokens: Callable[[], str],
        entities: PrivilegedEntities,
    ) -> None:
        self._router = router
        self._store = store
        self._presences = presences
        self._limits = limits
        self._tokens = tokens
        self._entities = entities
        self.services = {
            (type_, ROSTER, "query"): AccountService(
                answer, Audience.OWNER, StanzaCondition.FORBIDDEN, granted=self._is_granted
            )
            for type_, answer in (("get", self.get), ("set", self.set))
        }

    def _is_granted(self, request: Request) -> bool:
        """Return whether a component may read or write the roster (XEP-0356 §4.3)."""
        return covers(self._entities.of(request.sender).roster, request.stanza.type)

    async def get(self, request: Request) -> Element | Answered:
        """Return the roster, or the changes since the version that the client remembers (§2.1.3, §2.6)."""
        resource, account = request.resource, request.account
        if resource is None:
            return await self._whole(account, with_version=True)
        resource.interests.add(Interest.ROSTER)
        known = request.payload.get("ver")
        changes = await self._store.roster_changes(account.address.bare, known) if known else None
        if changes is None:
            return await self._whole(account, with_version=known is not None)
        pushes = [self._push(resource, query) for query in roster_elements.pushes_since(changes)]
        request.answer(None)  # before the pushes, which "follow" it (§2.6.3)
        for push in pushes:
            resource.send(push)
        return ANSWERED

    async def _whole(self, account: Account, *, with_version: bool) -> Element:
        """Return the whole roster, from the store while no client is bound."""
        if account.roster is not None:
            items, version = tuple(account.roster.items.values()), account.roster.version
        else:
            stored = await self._store.roster(account.address.bare)
            items, version = tuple(stored.items), stored.version
        return roster_elements.result(items, version if with_version else None)

    async def set(self, request: Request) -> None:
        """Add, change or remove one contact (§2.3, §2.4, §2.5)."""
        account = request.account
        change = roster_elements.read_set(request.payload, account.address, self._limits)
        contact = change.contact.bare
        if change.removes:
            await self._remove(account, change.contact)
            return
        set_to: Callable[[Relation], Relation] = partial(after_setting, contact, change.name, change.groups)
        is_theirs = request.resource is None and _is_of(change.contact.domain, request.sender.domain)
        if is_theirs and change.subscription is not None:
            set_to = partial(after_subscribing, contact, change.name, change.groups, Subscription(change.subscription))
        update = await self._store.update_relation(account.address.bare, contact, set_to)
        before, after = state_of(update.before), state_of(update.after)
        if before.has_from and not after.has_from:
            self._presences.hide_from(account, change.contact)
        self.push(account, contact, update)
        if after.has_from and not before.has_from:
            self._presences.show_to(account, change.contact)

    async def _remove(self, account: Account, contact: Address) -> None:
        """Remove the item, and both subscriptions with it (§2.5.2)."""
        if account.roster is not None:
            is_known = contact.bare in account.roster.items
        else:
            is_known = (await self._store.relation(account.address.bare, contact.bare)).item is not None
        if not is_known:
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
        query = roster_elements.push(contact, update.after.item, update.version)
        for resource in account.interested():
            resource.send(self._push(resource, query))
        for entity in self._entities.with_privilege(lambda granted: granted.gets_pushes):
            self._router.route(
                AddressedStanza.from_element(request_element(account.address, entity, self._tokens(), query))
            )

    def _push(self, resource: Resource, query: Element) -> AddressedStanza:
        sender = resource.account.address
        return AddressedStanza.from_element(request_element(sender, resource.address, self._tokens(), query))


def _is_of(domain: str, component: str) -> bool:
    """Return whether a domain is a component's own, or below it."""
    return domain == component or domain.endswith(f".{component}")
