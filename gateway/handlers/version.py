"""Software version (XEP-0092): name and version of this program, without the operating system."""

from __future__ import annotations

from importlib.metadata import version

from zope.interface import implementer

from gateway.routing.interfaces import Answer, Declined, Handled, IDiscoverable, ILocalHandler
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import VERSION
from gateway.xmpp.stanzas import AddressedStanza, result_reply


@implementer(ILocalHandler, IDiscoverable)
class Version:
    """Answers which program this is."""

    features = (VERSION,)
    identities = ()

    def __init__(self) -> None:
        self._version = version("xmpp-gateway")

    def handle(self, stanza: AddressedStanza) -> Answer:
        """Answer an iq of type get with a version query in it."""
        if stanza.name != "iq" or stanza.type != "get" or stanza.element.first(VERSION, "query") is None:
            return Declined()
        said = [Element(VERSION, "name", {}, ["xmpp-gateway"]), Element(VERSION, "version", {}, [self._version])]
        return Handled(replies=[result_reply(stanza, Element(VERSION, "query", {}, said))])
