"""Feature 12-5 [presence-sub-preapproval], as a client: who was approved before is let in at once (RFC 6121 §3.4)."""

from __future__ import annotations

from tests.features.client.couples import couple
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor


def test_request_of_whom_we_approved_before_is_answered_without_us(world: World, house: Peer) -> None:
    async def scenario() -> tuple[tuple[str, str], bool]:
        async with couple(world, house) as both:
            both.juliet.messaging.show(both.romeo_account, "subscribed")
            await both.juliet.messaging.get_roster()
            both.romeo.messaging.show(both.juliet_account, "subscribe")
            await both.romeo.expect_presence("subscribed", both.juliet_account.full)
            asked = any(stanza.type == "subscribe" for stanza in both.juliet.heard)
            return await both.states(), asked

    assert run_in_reactor(scenario) == (("to", "from"), False)
