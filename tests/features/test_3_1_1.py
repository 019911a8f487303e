"""Feature 3.1-1: streams run over TCP, one in each direction between two servers [stream-tcp-binding] (RFC 6120 §3)."""

from __future__ import annotations

from tests.interop.clients import attached
from tests.interop.peers import Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import client_tls, dial
from tests.interop.scripted import scripted
from tests.interop.world import World


async def test_a_stream_is_taken_on_a_tcp_connection(world: World, gateway: Peer) -> None:
    async with dial(gateway.address, SERVER) as probe:
        assert (await probe.open("probe.test", "gateway.test")).get("from") == "gateway.test"


async def test_each_direction_has_a_connection_of_its_own(world: World, gateway: Peer) -> None:
    domain = "both-ways.test"
    async with (
        scripted(world, domain) as script,
        attached(gateway) as component,
        dial(gateway.address, SERVER) as probe,
    ):
        await probe.prove(client_tls(script.bundle), domain, component.jid)
        await probe.type(f"<message from='a@{domain}' to='{component.jid}'><body>Art thou there?</body></message>")
        heard = await component.expect_message("Art thou there?")
        component.send_message(str(heard["from"]), "I am")
        answer = await (await script.established()).element()
        assert answer.findtext("{jabber:server}body") == "I am"
        assert b"I am" not in probe.received
