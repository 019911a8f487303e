"""Features of presence, as a client; row 13-1: initial presence brings the presence of contacts (RFC 6121 §4.2)."""

from __future__ import annotations

from tests.features.client.couples import couple
from tests.interop.own_logins import staying
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor


def test_who_comes_sees_who_is_there_and_is_seen(world: World, host: Peer) -> None:
    async def scenario() -> bool:
        async with couple(world, host) as both:
            await both.request()
            await both.approve()
            async with staying(world, both.romeo_account.full) as phone:
                phone.messaging.show()
                await phone.expect_presence(None, both.juliet.messaging.own.full)
                return both.juliet.messaging.own.full in phone.messaging.presences

    assert run_in_reactor(scenario)
