"""Feature 3.5-1: a stream is closed by its closing tag, by whichever side (RFC 6120 §4.4)."""

from __future__ import annotations

import asyncio

from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import client_tls, dial
from tests.interop.world import World


async def test_the_closing_tag_is_answered_in_clear(gateway: Peer) -> None:
    async with dial(gateway.address, SERVER) as probe:
        await probe.open("probe.test", "gateway.test")
        await probe.element()
        await probe.type("</stream:stream>")
        assert await probe.ended()


async def test_the_closing_tag_is_answered_under_tls(world: World, gateway: Peer) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    async with dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "probe.test", "gateway.test")
        await probe.type("</stream:stream>")
        assert await probe.ended()


async def test_streams_are_closed_when_the_gateway_stops(world: World, start: Starter) -> None:
    gateway = start(Gateway, "mortal.test")
    bundle = world.bundle(world.authority.issue("probe.test"))
    async with dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "probe.test", "mortal.test")
        stopping = asyncio.create_task(asyncio.to_thread(gateway.stop))
        assert await probe.error() == "system-shutdown"
        await probe.type("</stream:stream>")
        assert await probe.ended()
        await stopping
