"""XMPP ping (XEP-0199): answer with an empty result."""

from __future__ import annotations

from zope.interface import implementer

from gateway.routing.interfaces import Answer, Declined, Handled, IDiscoverable, ILocalHandler
from gateway.xmpp.namespaces import PING
from gateway.xmpp.stanzas import AddressedStanza, result_reply


@implementer(ILocalHandler, IDiscoverable)
class Ping:
    """Answers pings to the domain, and to any address in it."""

    features = (PING,)
    identities = ()

    def handle(self, stanza: AddressedStanza) -> Answer:
        """Answer an iq of type get with a ping in it."""
        if stanza.name != "iq" or stanza.type != "get" or stanza.element.first(PING, "ping") is None:
            return Declined()
        return Handled(replies=[result_reply(stanza)])
