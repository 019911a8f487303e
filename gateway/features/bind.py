"""Resource binding (RFC 6120 §7): the last thing to negotiate on a client's stream, and its full JID.

It is requested by an iq, the only stanza allowed before negotiation is complete. A client that sends any other stanza,
or an iq to anybody but its server, is refused with `not-authorized` (§7.1). After binding, the server that answers for
the account answers a second bind with `not-allowed` (§7.3.1 allows a stream one resource).

Our server gives the client the resource that it asks for if that is free, and otherwise makes one that nobody can guess
(§7.6.1, §7.7.2.2). The domain with accounts decides this (`im.domain`): `BindResource` asks it. A resource whose client
has lost its connection is free: the client's session ends the old one first (`clients.session`).
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.stream.events import ClientBound, Event, Order
from gateway.stream.facts import ClientFacts
from gateway.stream.negotiation import Step, StreamFeature, Then
from gateway.stream.records import replace
from gateway.xmpp.addresses import Address
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import MalformedAddress, StanzaCondition, StanzaError, StreamCondition, StreamError
from gateway.xmpp.namespaces import BIND, CLIENT, SESSION
from gateway.xmpp.stanzas import stanza_error

_IQ = frozenset({(CLIENT, "iq")})
_REQUEST_ID = "bind"


@dataclass(frozen=True, kw_only=True)
class BindResource(Order):
    """Give this client a resource, if possible the one that it asks for. Answer: `ResourceBound`.

    `id` is that of the client's request, and comes back with the answer.
    """

    account: Address
    wish: str | None
    id: str


@dataclass(frozen=True, kw_only=True)
class ResourceBound(Event):
    """The answer to `BindResource`: the full JID, or why there is none."""

    id: str
    address: Address | StanzaError


class Bind(StreamFeature[ClientFacts]):
    """Receiving entity: gives a client its resource."""

    name = "bind"
    handles = _IQ
    answers = (ResourceBound,)

    def offer(self, facts: ClientFacts) -> Element | None:
        """Offer it to an authenticated client without a resource; it is mandatory (RFC 6120 §7.4)."""
        if not facts.awaits_resource:
            return None
        return Element(BIND, "bind", {}, [Element(BIND, "required")])

    def receive(self, facts: ClientFacts, element: Element) -> Step:
        """Take an iq before negotiation is complete: it must be the request to bind."""
        if facts.client is None:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "stanzas are not allowed before authentication")
        if not _is_for_the_server(element, facts, facts.client):
            raise StreamError(
                StreamCondition.NOT_AUTHORIZED, "stanzas to others are not allowed before a resource is bound"
            )
        bind = element.first(BIND, "bind")
        if bind is None or element.get("type") != "set" or not element.get("id"):
            return _refused(facts, element.get("id") or "", _NOT_YET)
        wished = bind.first(BIND, "resource")
        wish = wished.text.strip() if wished is not None else ""
        question = BindResource(account=facts.client, wish=wish or None, id=element.get("id") or "")
        return Step(facts=facts, outputs=[question], then=Then.SUSPEND)

    def answered(self, facts: ClientFacts, answer: ResourceBound) -> Step:
        """Bind the resource, or let the client try again."""
        if isinstance(answer.address, StanzaError):
            return _refused(facts, answer.id, answer.address)
        jid = Element(BIND, "jid", {}, [answer.address.full])
        result = Element(CLIENT, "iq", {"type": "result", "id": answer.id}, [Element(BIND, "bind", {}, [jid])])
        bound = replace(facts, client=answer.address)
        return Step(facts=bound, outputs=[result, ClientBound(address=answer.address)], then=Then.CONTINUE)

    def is_complete(self, facts: ClientFacts) -> bool:
        """Hold stanzas until there is a resource."""
        return facts.is_bound


class LegacySession(StreamFeature[ClientFacts]):
    """Announces that a client may establish a session, as RFC 3921 required, but need not; a request does nothing."""

    name = "session"

    def offer(self, facts: ClientFacts) -> Element | None:
        """Offer it together with binding."""
        if not facts.awaits_resource:
            return None
        return Element(SESSION, "session", {}, [Element(SESSION, "optional")])


class BindOurselves(StreamFeature[ClientFacts]):
    """Initiating entity: requests a resource, usually whichever the server makes (RFC 6120 §7.6)."""

    name = "bind"
    handles = _IQ

    def __init__(self, wish: str | None = None) -> None:
        self._wish = wish

    def begin(self, facts: ClientFacts, offered: Element) -> Step | None:
        """Request it once we are authenticated."""
        if facts.client is None or offered.first(BIND, "bind") is None:
            return None
        wish = [Element(BIND, "resource", {}, [self._wish])] if self._wish else []
        request = Element(CLIENT, "iq", {"type": "set", "id": _REQUEST_ID}, [Element(BIND, "bind", {}, wish)])
        return Step(facts=facts, outputs=[request])

    def receive(self, facts: ClientFacts, element: Element) -> Step:
        """Take the answer: our full JID, or a refusal."""
        bind = element.first(BIND, "bind")
        jid = bind.first(BIND, "jid") if bind is not None else None
        if self.name not in facts.tried or element.get("id") != _REQUEST_ID:
            raise StreamError(StreamCondition.NOT_AUTHORIZED, "stanzas are not allowed before a resource is bound")
        if element.get("type") != "result" or jid is None:
            raise StreamError(StreamCondition.UNDEFINED_CONDITION, reason="the server did not bind a resource for us")
        address = _own_address(jid.text)
        bound = replace(facts, client=address)
        return Step(facts=bound, outputs=[ClientBound(address=address)], then=Then.CONTINUE)

    def is_complete(self, facts: ClientFacts) -> bool:
        """Hold stanzas until there is a resource."""
        return facts.is_bound


_NOT_YET = StanzaError(StanzaCondition.NOT_AUTHORIZED, "bind a resource first")


def _is_for_the_server(iq: Element, facts: ClientFacts, client: Address) -> bool:
    to = iq.get("to")
    if to is None:
        return True
    try:
        address = Address.parse(to)
    except MalformedAddress:
        return False
    return address.full == facts.local or address == client


def _refused(facts: ClientFacts, id_: str, error: StanzaError) -> Step:
    reply = Element(CLIENT, "iq", {"type": "error", "id": id_ or None}, [stanza_error(error)])
    return Step(facts=facts, outputs=[reply])


def _own_address(text: str) -> Address:
    try:
        address = Address.parse(text.strip())
    except MalformedAddress as error:
        raise StreamError(StreamCondition.INVALID_FROM, f"our new address is invalid: {error.problem}") from error
    if not address.resource:
        raise StreamError(StreamCondition.INVALID_FROM, "our new address has no resource")
    return address
