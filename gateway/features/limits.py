"""Stream limits (XEP-0478): each side is told what the other takes, before it sends more.

The receiving entity says it in its stream features, the initiating one of a bidirectional stream in `<bidi/>`. What is
larger than the other side takes is not sent to it; its sender gets an error.
"""

from __future__ import annotations

from gateway.stream.facts import Facts
from gateway.stream.limits import our_limits, their_limits
from gateway.stream.negotiation import Step, StreamFeature, Then
from gateway.stream.records import replace
from gateway.xmpp.elements import Element


class StreamLimits(StreamFeature):
    """Tells our limits, and takes note of theirs."""

    name = "limits"

    def offer(self, facts: Facts) -> Element | None:
        """What holds for stanzas, wherever some may follow without TLS being started before."""
        return None if facts.terms.require_tls and not facts.encrypted else our_limits(facts)

    def begin(self, facts: Facts, offered: Element) -> Step | None:
        """Nothing is asked for; the limits are noted."""
        return Step(facts=replace(facts, peer_limits=their_limits(offered)), then=Then.CONTINUE)
