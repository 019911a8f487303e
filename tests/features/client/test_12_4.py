"""Feature 12-4 [presence-sub-unsubscribe], as a client: unsubscribe (RFC 6121 §3.3)."""

from __future__ import annotations

from tests.features.client.couples import couple
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor


def test_contact_hears_that_we_look_no_longer(world: World, host: Peer) -> None:
    async def scenario() -> tuple[str, str]:
        async with couple(world, host) as both:
            await both.request()
            await both.approve()
            both.romeo.messaging.show(both.juliet_account, "unsubscribe")
            await both.juliet.expect_presence("unsubscribe", both.romeo_account.full)
            return await both.states()

    assert run_in_reactor(scenario) == ("none", "none")
