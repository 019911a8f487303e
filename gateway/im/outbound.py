"""Outbound: check, stamp and route the stanzas of a bound client (RFC 6120 §8.1.2.1, §10.3, §10.4)."""

from __future__ import annotations

from gateway.im import carbons
from gateway.im.account import Resource
from gateway.im.blocking import Blocked
from gateway.im.edits import from_sender, to_recipient
from gateway.im.presence import UNAVAILABLE, Presences
from gateway.im.services import Services
from gateway.im.subscribing import Subscribing
from gateway.im.subscriptions import TYPES
from gateway.im.work import Later
from gateway.routing.interfaces import IRouter
from gateway.routing.policy import check_client
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.faults import Fault, StreamKind, refusal
from gateway.xmpp.stanzas import AddressedStanza, SentStanza, Stanza


class Outbound:
    """The handling of stanzas from clients."""

    def __init__(self, *, router: IRouter, presences: Presences, subscribing: Subscribing, services: Services) -> None:
        self._router = router
        self._presences = presences
        self._subscribing = subscribing
        self._services = services
        self._kinds = {"message": self._message, "presence": self._presence, "iq": self._iq}

    def send(self, resource: Resource, stanza: Stanza) -> Later:
        """Take a client's stanza; raise StanzaError for the client to get as an answer,
        StreamError to end its stream.
        """
        account = resource.account
        if stanza.from_ is not None or stanza.flaw is not None:
            check_client(stanza, resource.address)
        if account.blocked.addresses and account.blocks(stanza.to):
            raise Blocked()
        return self._kinds[stanza.name](resource, from_sender(stanza, resource.address, resource.from_attribute))

    def _message(self, resource: Resource, stanza: SentStanza) -> Later:
        account = resource.account
        if not isinstance(stanza, AddressedStanza):
            stanza = to_recipient(stanza, account.address)  # RFC 6120 §10.3.1
        self._router.route(stanza)
        if len(account.resources) > 1 and stanza.to.bare != account.address.bare:
            carbons.send_copies(account, stanza, carbons.SENT, without=(resource,))
        return None

    def _presence(self, resource: Resource, stanza: SentStanza) -> Later:
        informs = stanza.type in (None, UNAVAILABLE)
        if not isinstance(stanza, AddressedStanza):
            if not informs:
                raise StanzaError(StanzaCondition.BAD_REQUEST, "presence of this type needs a 'to'")
            return self._presences.update(resource, stanza)
        if stanza.type in TYPES:
            return self._subscribing.send(resource.account, stanza)
        if informs:
            self._presences.direct(resource, stanza)
        elif stanza.type in ("probe", "error"):
            self._router.route(stanza)
        else:
            raise refusal(Fault.UNKNOWN_PRESENCE, StreamKind.CLIENT, "there is no such type of presence")
        return None

    def _iq(self, resource: Resource, stanza: SentStanza) -> Later:
        account = resource.account
        if isinstance(stanza, AddressedStanza) and stanza.to != account.address:
            self._router.route(stanza)
            return None
        if stanza.is_response:
            return None  # a push was confirmed or refused; there is nothing to do
        return self._services.serve(account, resource, stanza)
