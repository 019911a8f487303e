"""Bidirectional streams between servers (XEP-0288): answers come back on the stream that the initiating server opened.

It is requested before the initiating server proves itself, and only after STARTTLS if there is TLS. Afterwards, this
side may send the reverse of what the other side has proved (`ServerFacts.carries`); on a stream that it opened, it may
receive the reverse of what it has proved itself (`ServerFacts.admitted`). Only its certificate, or the DNS that led us
there, says that the other side is the domain that we called: so this is requested only where such a proof is accepted.
"""

from __future__ import annotations

from gateway.stream.facts import Means, Role, ServerFacts
from gateway.stream.limits import our_limits, their_limits
from gateway.stream.negotiation import Step, StreamFeature, Then
from gateway.stream.records import replace
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.namespaces import BIDI, BIDI_FEATURE

_OFFER = Element(BIDI_FEATURE, "bidi")


class Bidirectional(StreamFeature[ServerFacts]):
    """Lets stanzas pass in both directions on one stream."""

    name = "bidi"
    # COMPAT ejabberd 24: sends the request in the namespace of the feature
    handles = frozenset({(BIDI, "bidi"), (BIDI_FEATURE, "bidi")})

    def offer(self, facts: ServerFacts) -> Element | None:
        """Offer it where the other side may prove itself next."""
        return _OFFER if _is_time(facts) else None

    def begin(self, facts: ServerFacts, offered: Element) -> Step | None:
        """Request it together with our proof, which follows at once (XEP-0288 §2.2)."""
        if offered.first(BIDI_FEATURE, "bidi") is None or not (_is_time(facts) and _is_believed(facts)):
            return None
        request = Element(BIDI, "bidi", {}, [our_limits(facts)])
        return Step(facts=replace(facts, bidirectional=True), outputs=[request], then=Then.CONTINUE)

    def receive(self, facts: ServerFacts, element: Element) -> Step:
        """Take the initiating server's request."""
        if facts.role is Role.INITIATING or facts.bidirectional or not _is_time(facts):
            raise StreamError(StreamCondition.UNSUPPORTED_STANZA_TYPE, "<bidi/> is not expected here")
        return Step(facts=replace(facts, bidirectional=True, peer_limits=their_limits(element)))


def _is_time(facts: ServerFacts) -> bool:
    return facts.terms.bidirectional and not facts.proofs and (facts.encrypted or not facts.terms.require_tls)


def _is_believed(facts: ServerFacts) -> bool:
    """Return whether we are sure enough of the server that we called to accept stanzas from it."""
    if facts.terms.allow(Means.DIALBACK):
        return True
    return facts.remote is not None and facts.proof_by_certificate(facts.remote, facts.terms) is not None
