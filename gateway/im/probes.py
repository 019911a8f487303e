"""Probes: answer requests for an account's presence (RFC 6121 §4.3.2, §4.6.6).

Subscribers get the last presence of each available resource. Everybody else gets the same answer, whether there is such
an account or not: that there is no subscription. Only that answer waits for the store. A
probe from a domain here to an account that is not in memory gets none, and has ended before (`domain`).
"""

from __future__ import annotations

from gateway.im.account import Account
from gateway.im.answers import presence_to
from gateway.im.edits import to_recipient
from gateway.im.presence import UNAVAILABLE
from gateway.im.subscriptions import UNSUBSCRIBED
from gateway.im.work import Later
from gateway.routing.interfaces import IRouter
from gateway.storage.errors import NoSuchAccount
from gateway.storage.interfaces import IStore
from gateway.xmpp.addresses import Address
from gateway.xmpp.stanzas import AddressedStanza


class Probes:
    """Answers to probes."""

    def __init__(self, router: IRouter, store: IStore) -> None:
        self._router = router
        self._store = store

    def answer(self, account: Account, stanza: AddressedStanza) -> Later:
        """Answer a probe by the rules of §4.3.2, or of §4.6.6 if the sender was addressed directly."""
        asker, asked = stanza.from_, stanza.to
        if account.roster is None:
            return self._answer_for_absent(account, asker, asked)
        if asker.bare == account.address.bare or account.roster.has_subscriber(asker):
            self._report(account, asker, asked)
            return None
        resource = account.resources.get(asked.resource)
        if resource is not None and asker in resource.directed:
            self._router.route(presence_to(None, resource.address, asker))
            return None
        return self._answer_stranger(account, asker)

    def _report(self, account: Account, asker: Address, asked: Address) -> None:
        """Send the last presence of each available resource, or of the one that was asked for."""
        shown = [said for each, said in account.shown() if asked.is_bare or each.address == asked]
        for presence in shown:
            self._router.route(to_recipient(presence, asker))
        if not shown:
            self._router.route(presence_to(UNAVAILABLE, asked, asker))

    async def _answer_for_absent(self, account: Account, asker: Address, asked: Address) -> None:
        try:
            relation = await self._store.relation(account.address.bare, asker.bare)
        except NoSuchAccount:
            self.answer_for_nobody(asker, asked)
            return
        if relation.item is not None and relation.item.subscription in ("from", "both"):
            self._router.route(presence_to(UNAVAILABLE, account.address, asker))
        elif relation.request is None:
            self._router.route(presence_to(UNSUBSCRIBED, account.address, asker.bare_address))

    async def _answer_stranger(self, account: Account, asker: Address) -> None:
        """Answer "unsubscribed", but not to somebody whose request is waiting: that would withdraw the request."""
        relation = await self._store.relation(account.address.bare, asker.bare)
        if relation.request is None:
            self._router.route(presence_to(UNSUBSCRIBED, account.address, asker.bare_address))

    def answer_for_nobody(self, asker: Address, asked: Address) -> None:
        """Answer for a missing account as an account answers that shares nothing with the asker."""
        self._router.route(presence_to(UNSUBSCRIBED, asked.bare_address, asker.bare_address))
