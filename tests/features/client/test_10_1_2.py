"""Feature 10.1-2, as a client: 'from' on all stanzas is left to our server, which knows it (RFC 6120 §8.1.2.1)."""

from __future__ import annotations

from gateway.xmpp.addresses import Address
from tests.interop.own_logins import staying
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor


def test_others_see_the_full_address_that_was_bound(world: World, host: Peer) -> None:
    domain = host.site.domains[0]

    async def scenario() -> tuple[Address | None, Address]:
        async with staying(world, f"romeo@{domain}") as romeo, staying(world, f"juliet@{domain}") as juliet:
            juliet.messaging.show()
            romeo.messaging.say(juliet.messaging.own, "who is it?")
            return (await juliet.expect_message("who is it?")).from_, romeo.messaging.own

    seen, own = run_in_reactor(scenario)
    assert seen == own
