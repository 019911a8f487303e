"""Feature 10.1-1: every stanza between servers has a 'to' (RFC 6120 §8.1.1.2)."""

from __future__ import annotations

import pytest

from tests.interop.clients import attached
from tests.interop.peers import Peer
from tests.interop.peers.site import COMPONENT, SERVER
from tests.interop.probe import client_tls, dial
from tests.interop.scripted import scripted
from tests.interop.world import World


@pytest.mark.parametrize("stanza", ["<message {}/>", "<presence {}/>", "<iq {} type='get' id='1'><a xmlns='b'/></iq>"])
async def test_a_server_that_leaves_it_out_is_closed(world: World, gateway: Peer, stanza: str) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    async with dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "probe.test", "gateway.test")
        await probe.type(stanza.format("from='a@probe.test'"))
        assert await probe.error() == "improper-addressing"


async def test_a_component_that_leaves_it_out_is_told_and_nothing_is_sent(gateway: Peer) -> None:
    async with dial(gateway.address, COMPONENT) as probe:
        await probe.attach("component.gateway.test", "secret")
        await probe.type("<iq type='get' id='1' from='component.gateway.test'><a xmlns='b'/></iq>")
        answer = await probe.element()
        assert (answer.get("type"), answer.get("id")) == ("error", "1")
        await probe.type("</stream:stream>")
        assert await probe.ended()


async def test_what_we_send_has_it(world: World, gateway: Peer) -> None:
    async with scripted(world, "to.test") as script, attached(gateway) as component:
        component.send_message("anybody@to.test", "Hi")
        assert (await (await script.established()).element()).get("to") == "anybody@to.test"
