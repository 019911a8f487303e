"""Features of subscriptions, as a client; row 12-1 [presence-sub-request]: subscribe (RFC 6121 §3.1)."""

from __future__ import annotations

from tests.features.client.couples import couple
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor


def test_request_is_heard_by_the_contact_and_noted_in_the_roster(world: World, host: Peer) -> None:
    async def scenario() -> tuple[str, bool]:
        async with couple(world, host) as both:
            await both.request()
            both.romeo.messaging.roster_version = ""
            await both.romeo.messaging.get_roster()
            contact = both.romeo.messaging.roster[both.juliet_account.full]
            return contact.subscription, contact.asked

    assert run_in_reactor(scenario) == ("none", True)
