"""Feature 12-2 [presence-sub-approval], as a client: subscribed (RFC 6121 §3.1.4-§3.1.6)."""

from __future__ import annotations

from tests.features.client.couples import couple
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor


def test_approval_shows_us_to_whoever_asked(world: World, host: Peer) -> None:
    async def scenario() -> tuple[tuple[str, str], bool]:
        async with couple(world, host) as both:
            await both.request()
            await both.approve()
            return await both.states(), both.juliet.messaging.own.full in both.romeo.messaging.presences

    assert run_in_reactor(scenario) == (("to", "from"), True)
