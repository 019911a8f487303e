"""Stanzas that wait for services behind the gateway: a component that is away, a relayed server that is down."""

from __future__ import annotations

import pytest

from tests.interop.clients import attached, user
from tests.interop.fixtures import Starter
from tests.interop.names import Nameserver
from tests.interop.peers import Gateway, Peer, Prosody
from tests.interop.peers.site import INSIDE, SERVER
from tests.interop.test_outbox import bodies, kept, until, waiting
from tests.interop.world import World

COMPONENT = "component.behind.test"
RELAYED = "inside.behind.test"
COUNT = 200


@pytest.fixture(scope="module")
def view(world: World) -> Nameserver:
    """The internet as the server behind us sees it."""
    return world.view()


@pytest.fixture(scope="module")
def inside(start_all: Starter, view: Nameserver) -> Peer:
    """The server behind us."""
    return start_all(Prosody, RELAYED, view=view)


@pytest.fixture(scope="module")
def ours(world: World, start_all: Starter, inside: Peer, view: Nameserver, prosody: Peer) -> Peer:
    """A gateway that keeps what waits for those behind it."""
    relay = {
        "serve": "relay",
        "connect": f"tcp:{inside.address}:{SERVER}",
        "certificate": str(world.bundle(world.authority.issue(RELAYED))),
        "require_tls": False,
        "authenticate": ["dialback"],
        "keep": "waiting",
        "connect_seconds": 2,
    }
    domains = {RELAYED: relay, COMPONENT: {"keep": "waiting"}}
    ours = start_all(Gateway, "behind.test", components={COMPONENT: "secret"}, options={"domains": domains})
    world.nameserver.publish(ours.address, RELAYED)
    view.publish(ours.address, *ours.site.domains, *prosody.site.domains, port=INSIDE)
    return ours


async def test_what_a_killed_component_missed_arrives_after_a_crash_of_the_gateway(ours: Peer, prosody: Peer) -> None:
    async with user(prosody, "romeo") as romeo:
        async with attached(ours) as component:
            romeo.send_message(f"nurse@{COMPONENT}", "before")
            assert await bodies(component, 1) == ["before"]
            component.abort()
        said = [str(number) for number in range(COUNT)]
        for body in said:
            romeo.send_message(f"nurse@{COMPONENT}", body)
        await kept(ours, COUNT)
        ours.kill()
        ours.start()
        async with attached(ours) as component:
            assert await bodies(component, COUNT) == said
            romeo.send_message(f"nurse@{COMPONENT}", "after")
            assert await bodies(component, 1) == ["after"]
            await until(lambda: waiting(ours) == 0)
            assert not [each for each in component.inbox if each.name == "message"]
        assert not [each for each in romeo.inbox if each["type"] == "error"]


async def test_what_a_relayed_server_missed_arrives_after_a_crash_of_the_gateway(
    ours: Peer, inside: Peer, prosody: Peer
) -> None:
    to = f"juliet@{RELAYED}"
    async with user(prosody, "romeo") as romeo:
        async with user(inside, "juliet") as juliet:  # while it opens a stream, a Prosody mixes up what it sends
            romeo.send_message(to, "before")
            assert await bodies(juliet, 1) == ["before"]
            await until(lambda: waiting(ours) == 0)  # it has been acknowledged, so it does not come again
        inside.stop()
        said = [str(number) for number in range(COUNT)]
        for body in said:
            romeo.send_message(to, body)
        await kept(ours, COUNT)
        ours.kill()
        inside.start()
        async with user(inside, "juliet") as juliet:  # who gets it from the gateway, not from what Prosody has stored
            ours.start()
            assert await bodies(juliet, COUNT) == said
            await until(lambda: waiting(ours) == 0)
            assert not [each for each in juliet.inbox if each.name == "message"]
        assert not [each for each in romeo.inbox if each["type"] == "error"]
