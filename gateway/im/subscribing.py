"""Subscribing: presence stanzas that manage subscriptions (RFC 6121 §3), by the tables of `subscriptions`.

Each stanza is one change of one relation, which the store makes atomically. Its effects on the contact and on the
account's own clients follow when the change is durable, so that nobody learns of anything that a crash could undo.
"""

from __future__ import annotations

from functools import partial

from gateway.im.account import Account, Resource
from gateway.im.answers import presence_to
from gateway.im.presence import Presences
from gateway.im.relations import after_receiving, after_sending, row_of_received, row_of_sent, state_of
from gateway.im.roster import RosterService
from gateway.im.subscriptions import SUBSCRIBE, UNSUBSCRIBED
from gateway.routing.interfaces import IRouter
from gateway.storage.interfaces import IStore
from gateway.stream.stanza_reader import AddressLookup
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.stanzas import AddressedStanza, restored

# A longer request is kept without its content, because only its sender matters.
LONGEST_REQUEST = 4096


class Subscribing:
    """Presence stanzas of the four types that manage subscriptions, from clients and from contacts."""

    def __init__(
        self, *, router: IRouter, store: IStore, presences: Presences, roster: RosterService, addresses: AddressLookup
    ) -> None:
        self._router = router
        self._store = store
        self._presences = presences
        self._roster = roster
        self._lookup = addresses.lookup

    async def send(self, account: Account, stanza: AddressedStanza) -> None:
        """Take a subscription stanza from a client of the account (§3.1.2, §3.1.5, §3.2.2, §3.3.2, §3.4)."""
        contact, type_ = stanza.to.bare_address, stanza.type or ""
        if contact == account.address:
            raise StanzaError(StanzaCondition.NOT_ALLOWED, "an account is always subscribed to itself")
        change = partial(after_sending, type_, contact.bare)
        update = await self._store.update_relation(account.address.bare, contact.bare, change)
        before, after = state_of(update.before), state_of(update.after)
        if before.has_from and not after.has_from:
            self._presences.hide_from(account, contact)  # while they are still subscribed (§3.2.2)
        if row_of_sent(type_, update.before).goes_on:
            # Between bare addresses, whatever the client wrote (§3.1.2).
            self._router.route(stanza.readdressed(to=contact, from_=account.address))
        self._roster.push(account, contact.bare, update)
        if after.has_from and not before.has_from:
            self._presences.show_to(account, contact)

    async def receive(self, account: Account, stanza: AddressedStanza) -> None:
        """Take a subscription stanza from a contact (§3.1.3, §3.1.6, §3.2.3, §3.3.3, §3.4.3)."""
        contact, type_ = stanza.from_.bare_address, stanza.type or ""
        change = partial(after_receiving, type_, contact.bare, _to_keep(stanza, account.address))
        update = await self._store.update_relation(account.address.bare, contact.bare, change)
        row = row_of_received(type_, update.before)
        if row.goes_on:
            self._deliver(account, stanza)
        self._roster.push(account, contact.bare, update)
        if state_of(update.before).has_from and not state_of(update.after).has_from:
            self._presences.hide_from(account, contact)
        if row.answer is not None:
            self._router.route(presence_to(row.answer, account.address, contact))
            if row.answer != UNSUBSCRIBED:
                self._presences.show_to(account, contact)

    def _deliver(self, account: Account, stanza: AddressedStanza) -> None:
        """Deliver requests to available resources; the rest to those that get roster pushes, before the push."""
        concerned = account.available() if stanza.type == SUBSCRIBE else account.interested()
        for resource in concerned:
            resource.send(stanza)

    async def greet(self, resource: Resource) -> None:
        """Send a new resource the waiting requests, and send ours again (§3.1.2, §3.1.3)."""
        account = resource.account
        for request in await self._store.requests(account.address.bare):
            if not account.blocks(self._lookup(request.contact)):
                resource.send(restored("presence", request.stanza))
        if account.roster is None:
            return
        for contact, item in account.roster.items.items():
            if item.ask and not account.blocks(self._lookup(contact)):
                self._router.route(presence_to(SUBSCRIBE, account.address, self._lookup(contact)))


def _to_keep(stanza: AddressedStanza, account: Address) -> bytes:
    if len(stanza.raw) <= LONGEST_REQUEST:
        return stanza.raw
    return presence_to(SUBSCRIBE, stanza.from_.bare_address, account).raw
