"""Feature 13-3, as a client: updates of our presence are seen (RFC 6121 §4.4)."""

from __future__ import annotations

from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import CLIENT
from tests.features.client.couples import couple
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor


def test_show_status_and_priority_are_seen_by_contacts(world: World, host: Peer) -> None:
    said = {"show": "away", "status": "in the orchard", "priority": "5"}

    async def scenario() -> dict[str, str]:
        async with couple(world, host) as both:
            await both.request()
            await both.approve()
            both.juliet.messaging.show(None, None, *(Element(CLIENT, name, {}, [text]) for name, text in said.items()))
            seen = await both.romeo.expect(lambda stanza: b"orchard" in stanza.raw)
            found = {name: seen.element.first(CLIENT, name) for name in said}
            return {name: child.text for name, child in found.items() if child is not None}

    assert run_in_reactor(scenario) == said
