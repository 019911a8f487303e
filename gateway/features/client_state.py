"""Client state indication (XEP-0352): a client says whether anybody is looking at it.

`im.client_state` decides what is held back meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.stream.events import Event
from gateway.stream.facts import ClientFacts
from gateway.stream.negotiation import Step, StreamFeature
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import CLIENT_STATE


@dataclass(frozen=True, kw_only=True)
class ClientStateChanged(Event):
    """The client has become active or inactive."""

    active: bool


class ClientState(StreamFeature[ClientFacts]):
    """Listens for a client's state."""

    name = "client-state"
    handles = frozenset({(CLIENT_STATE, "active"), (CLIENT_STATE, "inactive")})

    def offer(self, facts: ClientFacts) -> Element | None:
        """Offer it together with resource binding."""
        return Element(CLIENT_STATE, "csi") if facts.awaits_resource else None

    def receive(self, facts: ClientFacts, element: Element) -> Step:
        """Take `<active/>` or `<inactive/>`; before binding they have no effect."""
        if not facts.is_bound:
            return Step(facts=facts)
        return Step(facts=facts, outputs=[ClientStateChanged(active=element.name == "active")])
