"""Feature 13-4, as a client: who leaves is seen to leave (RFC 6121 §4.5)."""

from __future__ import annotations

from tests.features.client.couples import couple
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor


def test_unavailable_presence_is_seen_and_the_contact_is_gone_for_us(world: World, host: Peer) -> None:
    async def scenario() -> bool:
        async with couple(world, host) as both:
            await both.request()
            await both.approve()
            both.juliet.messaging.show(None, "unavailable")
            await both.romeo.expect_presence("unavailable", both.juliet.messaging.own.full)
            return both.juliet.messaging.own.full in both.romeo.messaging.presences

    assert not run_in_reactor(scenario)
