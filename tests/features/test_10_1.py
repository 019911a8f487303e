"""Feature 10-1: message, presence and iq are handled, and nothing else is a stanza (RFC 6120 §8)."""

from __future__ import annotations

import pytest

from tests.interop.clients import attached
from tests.interop.peers import Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import Probe, client_tls, dial
from tests.interop.world import World


async def proved(world: World, gateway: Peer, probe: Probe) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    await probe.prove(client_tls(bundle), "probe.test", "component.gateway.test")


async def test_all_three_pass(world: World, gateway: Peer) -> None:
    addresses = "from='a@probe.test' to='component.gateway.test'"
    async with attached(gateway) as component, dial(gateway.address, SERVER) as probe:
        await proved(world, gateway, probe)
        await probe.type(f"<message {addresses}><body>Hi</body></message><presence {addresses}/>")
        await probe.type(f"<iq {addresses} type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>")
        await component.expect_message("Hi")
        await component.expect_presence("available", "a@probe.test")
        await component.expect(lambda stanza: stanza["type"] == "get")


@pytest.mark.parametrize("element", ["<letter/>", "<message xmlns='urn:example'/>", "<stream:message/>"])
async def test_anything_else_ends_the_stream(world: World, gateway: Peer, element: str) -> None:
    async with dial(gateway.address, SERVER) as probe:
        await proved(world, gateway, probe)
        await probe.type(element)
        assert await probe.error() == "unsupported-stanza-type"
