"""Inbound: stanzas to an account, from any sender, and their ends (RFC 6121 §8.5).

The table in `delivery` says which end applies; here each end is one function. Before the table there are two refusals:
senders whom the account blocks, and stanzas that only the account's own server may send (see `_check_claims`).

A stranger must not learn from an answer whether an account exists, or is online. So an answer to a stranger has the
same bytes for an account and for an address without one, and a message that leaves nothing behind (a chat state, a
message that is not to be kept) is dropped silently if nobody receives it. Senders who may see the account's presence
get an error instead.
"""

from __future__ import annotations

from gateway.im import carbons
from gateway.im.account import Account, Resource
from gateway.im.delivery import BOUNCED, Action, Ends, Finds, action
from gateway.im.offline import Offline, is_worth_keeping
from gateway.im.presence import UNAVAILABLE
from gateway.im.privileged import PrivilegedAccess
from gateway.im.probes import Probes
from gateway.im.services import Services
from gateway.im.subscribing import Subscribing
from gateway.im.work import Later
from gateway.routing.interfaces import IRouter
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.namespaces import BLOCKING, ROSTER
from gateway.xmpp.stanzas import AddressedStanza

# Payloads that a client trusts as its server's when they come in an iq of type set.
_PUSHES = {ROSTER: ROSTER.encode(), BLOCKING: BLOCKING.encode()}


class Inbound:
    """The ends of stanzas to accounts."""

    def __init__(
        self,
        *,
        router: IRouter,
        offline: Offline,
        probes: Probes,
        subscribing: Subscribing,
        services: Services,
        privileged: PrivilegedAccess,
    ) -> None:
        self._router = router
        self._privileged = privileged
        self._offline = offline
        self._probes = probes
        self._subscribing = subscribing
        self._services = services
        self._ends = Ends(
            {
                Action.DELIVER: self._deliver,
                Action.SPREAD: self._spread,
                Action.SHOW: self._show,
                Action.STORE: self._store,
                Action.BOUNCE: self._bounce,
                Action.REFUSE: self._refuse,
                Action.DROP: self._drop,
                Action.SERVE: self._serve,
                Action.SUBSCRIBE: self._subscribe,
                Action.PROBE: self._probe,
            }
        )

    def receive(self, account: Account, stanza: AddressedStanza) -> Later:
        """Bring a stanza to its end, now or later; raise StanzaError if it must be bounced."""
        if account.blocked.addresses and account.blocks(stanza.from_):
            self._refuse_blocked(stanza)
            return None
        _check_claims(stanza)
        end = self._find_end(account, stanza)
        if (
            stanza.name == "presence"
            and stanza.type in (None, UNAVAILABLE)
            and self._privileged.entities.any_sees_contacts
        ):
            shown = self._privileged.show_contact(account, stanza)
            return end if shown is None else _both(end, shown)
        return end

    def _find_end(self, account: Account, stanza: AddressedStanza) -> Later:
        name = stanza.to.resource
        resource = account.resources.get(name) if name else None
        if resource is not None:
            finds = Finds.RESOURCE
        elif name:
            finds = Finds.OTHER_RESOURCES if account.receivers else Finds.NO_RESOURCE
        else:
            finds = Finds.ACCOUNT if account.receivers else Finds.ACCOUNT_ALONE
        return self._ends.get(stanza.name, stanza.type, finds)(account, resource, stanza)

    def receive_for_nobody(self, stanza: AddressedStanza) -> None:
        """End a stanza to an account that does not exist (§8.5.1)."""
        try:
            _check_claims(stanza)
            self._end_for_nobody(stanza)
        except StanzaError as error:
            self._router.bounce(stanza, error)

    def _end_for_nobody(self, stanza: AddressedStanza) -> None:
        end = action(stanza.name, stanza.type, Finds.NO_ACCOUNT)
        if end is Action.PROBE:
            self._probes.answer_for_nobody(stanza.from_, stanza.to)
        elif end is Action.SERVE and stanza.to.is_bare:
            self._services.serve_for_nobody(stanza)
        elif end is not Action.DROP and not _leaves_nothing(stanza):
            self._router.bounce(stanza, BOUNCED.get(end, BOUNCED[Action.BOUNCE]))

    def return_unread(self, account: Account, stanza: AddressedStanza) -> Later:
        """Take back a stanza that its client never received: as if it had just come, except for copies.

        A stanza that went to several resources has reached the others; copies and broadcast presence end here.
        """
        if stanza.name == "presence" or carbons.looks_like_a_copy(stanza):
            return None
        if stanza.to.is_bare and account.receivers:
            return None
        return self.receive(account, stanza)

    def _refuse_blocked(self, stanza: AddressedStanza) -> None:
        """Refuse a stanza from a blocked sender, to whom the account looks unavailable (XEP-0191 §3.3)."""
        if stanza.name != "presence":
            self._router.bounce(stanza, BOUNCED[Action.BOUNCE])

    def _deliver(self, account: Account, resource: Resource | None, stanza: AddressedStanza) -> Later:
        assert resource is not None
        if stanza.name == "message":
            resource.send(stanza)
            if len(account.resources) > 1:
                carbons.send_copies(account, stanza, carbons.RECEIVED, without=(resource,))
            return None
        if stanza.is_request:
            self._check_presence_leak(account, resource, stanza)
        elif stanza.name == "presence" and stanza.type == "error":
            resource.directed.pop(stanza.from_, None)
        resource.send(stanza)
        return None

    def _check_presence_leak(self, account: Account, resource: Resource, stanza: AddressedStanza) -> None:
        """Refuse a request from an outside stranger, because any answer would reveal the resource (§8.5.3.1).

        Accounts and components of this gateway are not strangers: pings, version queries and file transfers between
        them work without a subscription, as on any single server.
        """
        sender = stanza.from_
        if not (account.shows_itself_to(sender, resource) or self._router.is_own(sender.domain)):
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE)

    def _spread(self, account: Account, resource: Resource | None, stanza: AddressedStanza) -> Later:
        for each in account.receivers:
            each.send(stanza)
        if len(account.resources) > len(account.receivers):
            carbons.send_copies(account, stanza, carbons.RECEIVED, without=account.receivers)
        return None

    def _show(self, account: Account, resource: Resource | None, stanza: AddressedStanza) -> Later:
        for each in account.available():
            each.send(stanza)
        return None

    def _store(self, account: Account, resource: Resource | None, stanza: AddressedStanza) -> Later:
        carbons.send_copies(account, stanza, carbons.RECEIVED, without=())
        return self._offline.keep(account, stanza) if is_worth_keeping(stanza) else self._not_kept(account, stanza)

    async def _not_kept(self, account: Account, stanza: AddressedStanza) -> None:
        """Tell senders who may know it that nobody is there."""
        if await self._services.may_see(account, stanza.from_):
            raise StanzaError(StanzaCondition.SERVICE_UNAVAILABLE, "nobody is there, and this is not kept for later")

    def _bounce(self, account: Account, resource: Resource | None, stanza: AddressedStanza) -> Later:
        if _leaves_nothing(stanza):
            return self._not_kept(account, stanza)
        self._router.bounce(stanza, BOUNCED[Action.BOUNCE])
        return None

    def _refuse(self, account: Account, resource: Resource | None, stanza: AddressedStanza) -> Later:
        self._router.bounce(stanza, BOUNCED[Action.REFUSE])
        return None

    def _drop(self, account: Account, resource: Resource | None, stanza: AddressedStanza) -> Later:
        return None

    def _serve(self, account: Account, resource: Resource | None, stanza: AddressedStanza) -> Later:
        return self._services.serve(account, None, stanza)

    def _subscribe(self, account: Account, resource: Resource | None, stanza: AddressedStanza) -> Later:
        return self._subscribing.receive(account, stanza)

    def _probe(self, account: Account, resource: Resource | None, stanza: AddressedStanza) -> Later:
        return self._probes.answer(account, stanza)


async def _both(first: Later, then: Later) -> None:
    for each in (first, then):
        if each is not None:
            await each


def _leaves_nothing(stanza: AddressedStanza) -> bool:
    """Return whether a message may be dropped unseen; groupchat to a bare address never is (§8.5.2.1.1)."""
    if stanza.name != "message" or (stanza.type == "groupchat" and stanza.to.is_bare):
        return False
    return not is_worth_keeping(stanza)


def _check_claims(stanza: AddressedStanza) -> None:
    """Refuse stanzas that clients would trust as their own server's, if they come from anybody else.

    Clients should check that themselves, but some did not (CVE-2015-8688, CVE-2017-5589).
    """
    if stanza.name == "message":
        forged = carbons.looks_like_a_copy(stanza)
    elif stanza.type == "set" and any(mark in stanza.raw for mark in _PUSHES.values()):
        payload = stanza.element.first()
        forged = bool(stanza.to.resource) and payload is not None and payload.namespace in _PUSHES
    else:
        return
    if forged and stanza.from_.bare != stanza.to.bare:
        raise StanzaError(StanzaCondition.FORBIDDEN, "only an account's own server may send this to its clients")
