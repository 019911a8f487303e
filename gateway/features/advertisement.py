"""Features that the server only announces, without negotiation (RFC 6120 §4.3.2).

Roster versions (RFC 6121 §2.6.1), pre-approved subscriptions (§3.4.1) and the like, for clients that have proved their
account and are about to bind.
"""

from __future__ import annotations

from gateway.stream.facts import ClientFacts
from gateway.stream.negotiation import StreamFeature
from gateway.xmpp.elements import Element


class Advertisement(StreamFeature[ClientFacts]):
    """One such announcement."""

    def __init__(self, announced: Element) -> None:
        self.name = announced.namespace
        self._announced = announced

    def offer(self, facts: ClientFacts) -> Element | None:
        """Announce it together with resource binding."""
        return self._announced if facts.awaits_resource else None
