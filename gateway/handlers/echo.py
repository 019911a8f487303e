"""Echo: send every message back to its sender; a test that everything works, and the shortest example."""

from __future__ import annotations

from zope.interface import implementer

from gateway.routing.interfaces import Answer, Declined, Handled, ILocalHandler
from gateway.xmpp.namespaces import CLIENT
from gateway.xmpp.stanzas import AddressedStanza, Stanza


@implementer(ILocalHandler)
class Echo:
    """Answers a message that has a body with the same body, and approves subscription requests."""

    def handle(self, stanza: AddressedStanza) -> Answer:
        """Answer messages that are not errors, and requests to see our presence; decline everything else."""
        if stanza.name == "presence":
            return self._befriend(stanza)
        if stanza.name != "message" or stanza.type == "error":
            return Declined()
        if stanza.element.first(CLIENT, "body") is None:
            return Handled()  # typing notifications and receipts are not messages to echo
        return Handled(replies=[stanza.readdressed(to=stanza.from_, from_=stanza.to)])

    @staticmethod
    def _befriend(stanza: AddressedStanza) -> Answer:
        """Approve subscriptions and answer probes with our presence (RFC 6121 §3.1); ignore all other presence."""
        replies = []
        if stanza.type in ("subscribe", "probe"):
            addresses = {"from": stanza.to.bare, "to": stanza.from_.bare}
            element = stanza.element
            if stanza.type == "subscribe":
                replies.append(element.replace(attributes={**addresses, "type": "subscribed"}, children=[]))
            replies.append(element.replace(attributes={**addresses, "type": None}, children=[]))
        return Handled(replies=[Stanza.from_element(reply) for reply in replies])
