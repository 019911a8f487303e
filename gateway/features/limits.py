"""Stream limits (XEP-0478): each side is told what the other takes, before it sends more.

The receiving entity says it in its stream features, the initiating one of a bidirectional stream in `<bidi/>`. What is
larger than the other side takes is not sent to it; its sender gets an error.
"""

from __future__ import annotations

from functools import lru_cache

from gateway.stream.facts import Facts, PeerLimits
from gateway.stream.negotiation import Step, StreamFeature, Then
from gateway.stream.records import replace
from gateway.xmpp.digits import read_number
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import LIMITS

_MOST = 10**18 - 1


class StreamLimits(StreamFeature):
    """Tells our limits, and takes note of theirs."""

    name = "limits"

    def offer(self, facts: Facts) -> Element | None:
        """What holds for stanzas, wherever some may follow without TLS being started before."""
        return None if facts.terms.require_tls and not facts.encrypted else our_limits(facts)

    def begin(self, facts: Facts, offered: Element) -> Step | None:
        """Nothing is asked for; the limits are noted."""
        return Step(facts=replace(facts, peer_limits=their_limits(offered)), then=Then.CONTINUE)


def our_limits(facts: Facts) -> Element:
    """`<limits/>` as our terms for the other side have it."""
    return _limits(facts.terms.stanza_bytes, int(facts.terms.idle_seconds))


@lru_cache
def _limits(stanza_bytes: int, idle_seconds: int) -> Element:
    told = {"max-bytes": stanza_bytes, "idle-seconds": idle_seconds}
    return Element(
        LIMITS, "limits", {}, [Element(LIMITS, name, {}, [str(value)]) for name, value in told.items() if value]
    )


def their_limits(parent: Element) -> PeerLimits:
    """What `<limits/>` inside an element says, as far as it is numbers."""
    limits = parent.first(LIMITS, "limits")
    if limits is None:
        return PeerLimits()
    return PeerLimits(stanza_bytes=_number(limits, "max-bytes"), idle_seconds=_number(limits, "idle-seconds"))


def _number(limits: Element, name: str) -> int | None:
    element = limits.first(LIMITS, name)
    text = element.text.strip() if element is not None else ""
    return read_number(text, _MOST)
