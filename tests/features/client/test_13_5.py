"""Feature 13-5, as a client: directed presence shows us to one entity alone (RFC 6121 §4.6)."""

from __future__ import annotations

from tests.features.client.couples import couple
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor


def test_stranger_sees_us_come_and_go(world: World, host: Peer) -> None:
    async def scenario() -> list[str | None]:
        async with couple(world, host) as both:
            both.romeo.messaging.show(both.juliet.messaging.own)
            seen = [await both.juliet.expect_presence(None, both.romeo.messaging.own.full)]
            both.romeo.messaging.show(None, "unavailable")
            seen.append(await both.juliet.expect_presence("unavailable", both.romeo.messaging.own.full))
            return [stanza.type for stanza in seen]

    assert run_in_reactor(scenario) == [None, "unavailable"]
