"""Stream limits (XEP-0478): each side announces what it accepts, before the other sends more.

The receiving entity announces its limits in its stream features, the initiating one of a bidirectional stream in
`<bidi/>`. A stanza that is larger than the other side accepts is not sent to it; its sender gets an error.
"""

from __future__ import annotations

from gateway.stream.facts import NegotiatedFacts
from gateway.stream.limits import our_limits, their_limits
from gateway.stream.negotiation import Step, StreamFeature, Then
from gateway.stream.records import replace
from gateway.xmpp.elements import Element


class StreamLimits(StreamFeature[NegotiatedFacts]):
    """Announces our limits, and records theirs."""

    name = "limits"

    def offer(self, facts: NegotiatedFacts) -> Element | None:
        """Offer the limits for stanzas, wherever stanzas may follow without starting TLS first."""
        return None if facts.terms.require_tls and not facts.encrypted else our_limits(facts)

    def begin(self, facts: NegotiatedFacts, offered: Element) -> Step | None:
        """Record the limits, without requesting anything."""
        return Step(facts=replace(facts, peer_limits=their_limits(offered)), then=Then.CONTINUE)
