"""STARTTLS (RFC 6120 §5), both roles.

After TLS everything that was learned in clear is forgotten. Bytes behind `<starttls/>` or `<proceed/>` in the same
plaintext end the stream; the stream ensures that for every `SecureTransport`. If TLS is required and the peer does not
offer it, we leave.
"""

from __future__ import annotations

from gateway.stream.events import Secured, SecureTransport
from gateway.stream.facts import Facts, Role
from gateway.stream.negotiation import Step, StreamFeature, Then
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamCondition, StreamError, TLSFailed, TLSRequired
from gateway.xmpp.namespaces import TLS

_TRIED = frozenset({"starttls"})
_OPTIONAL = Element(TLS, "starttls")
_REQUIRED = Element(TLS, "starttls", {}, [Element(TLS, "required")])


class StartTLS(StreamFeature[Facts]):
    """Protects the stream before anything else is sent."""

    name = "starttls"
    handles = frozenset({(TLS, "starttls"), (TLS, "proceed"), (TLS, "failure")})
    answers = (Secured,)

    def offer(self, facts: Facts) -> Element | None:
        """Offer TLS in clear; require it if the other domain's terms do (RFC 6120 §5.4.1)."""
        if facts.encrypted:
            return None
        return _REQUIRED if facts.terms.require_tls else _OPTIONAL

    def begin(self, facts: Facts, offered: Element) -> Step | None:
        """Request TLS wherever it is offered, and leave if it is required and is not."""
        if facts.encrypted:
            return None
        # COMPAT Prosody 0.12 secure: sends <starttls/> to servers that cannot offer features; so do we when we must
        if offered.first(TLS, "starttls") is None and not (facts.terms.require_tls and facts.peer_version < (1, 0)):
            if facts.terms.require_tls:
                raise TLSRequired(reason="the other server does not offer STARTTLS, and we require TLS for it")
            return None
        return Step(facts=facts, outputs=[Element(TLS, "starttls")])

    def receive(self, facts: Facts, element: Element) -> Step:
        """Take `<starttls/>` as receiving entity; `<proceed/>` or `<failure/>` as initiating entity."""
        if facts.encrypted:
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, "this stream is already under TLS")
        if facts.role is Role.RECEIVING and element.name == "starttls":
            return Step(facts=facts, outputs=[Element(TLS, "proceed"), SecureTransport()], then=Then.SUSPEND)
        if facts.role is Role.INITIATING and element.name == "proceed" and self.name in facts.tried:
            return Step(facts=facts, outputs=[SecureTransport()], then=Then.SUSPEND)
        if facts.role is Role.INITIATING and element.name == "failure":
            raise TLSFailed("the other server offered STARTTLS and then failed to start it")
        raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, f"<{element.name}/> is not expected here")

    def answered(self, facts: Facts, answer: Secured) -> Step:
        """Restart the stream under TLS, with no facts but our own and those of TLS."""
        return Step(facts=facts.under_tls(answer.tls, answer.certificate, _TRIED), then=Then.RESTART)

    def is_complete(self, facts: Facts) -> bool:
        """Hold stanzas until TLS, if it is required."""
        return facts.encrypted or not facts.terms.require_tls
