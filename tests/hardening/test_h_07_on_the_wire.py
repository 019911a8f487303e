"""H-07: on a stream that carries many pairs, what is proved for one pair serves for no other (XEP-0220 §2.6)."""

from __future__ import annotations

import pytest

from tests.interop.clients import attached, user
from tests.interop.peers import Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import client_tls, dial
from tests.interop.world import World

GENUINE = "<message from='a@pairs.test' to='component.gateway.test'><body>genuine</body></message>"
FURTHER = "<db:result from='pairs.test' to='gateway.test'>0123</db:result>"


@pytest.mark.parametrize(
    ("sender", "to"),
    [
        ("a@other.test", "component.gateway.test"),
        ("a@sub.pairs.test", "component.gateway.test"),
        ("a@pairs.test", "rooms.component.gateway.test"),
        ("a@pairs.test", "gateway.test"),
    ],
)
async def test_stanzas_of_an_unproved_pair_end_the_stream(world: World, gateway: Peer, sender: str, to: str) -> None:
    bundle = world.bundle(world.authority.issue("pairs.test"))
    async with attached(gateway) as component, dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "pairs.test", "component.gateway.test")
        await probe.type(f"{GENUINE}<message from='{sender}' to='{to}'><body>forged</body></message>{GENUINE}")
        assert await probe.error() == "invalid-from"
        await component.expect_message("genuine")
        assert not await more(component)


async def test_a_pair_passes_once_it_is_proved(world: World, gateway: Peer) -> None:
    bundle = world.bundle(world.authority.issue("pairs.test"))
    async with dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "pairs.test", "component.gateway.test")
        await probe.type(f"{FURTHER}<iq type='get' id='1' from='a@pairs.test' to='gateway.test'/>")
        assert (await probe.element()).get("type") == "valid"
        await probe.type("</stream:stream>")
        assert await probe.ended()


async def test_h_08_a_third_domain_is_not_reached_by_us(world: World, gateway: Peer, prosody: Peer) -> None:
    bundle = world.bundle(world.authority.issue("pairs.test"))
    async with user(prosody, "romeo") as romeo, dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "pairs.test", "gateway.test")
        await probe.type(f"<message from='a@pairs.test' to='{romeo.jid}'><body>relay me</body></message>")
        assert await probe.error() == "host-unknown"
        assert not romeo.inbox
    assert not [line for line in gateway.log().splitlines() if "from pairs.test to prosody.test" in line]


async def test_h_08_no_component_is_a_way_to_third_domains(world: World, gateway: Peer) -> None:
    bundle = world.bundle(world.authority.issue("pairs.test"))
    async with dial(gateway.address, SERVER) as probe:
        await probe.open("pairs.test", "prosody.test")
        assert await probe.error() == "host-unknown"
    async with dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "pairs.test", "gateway.test")
        await probe.type("<db:result from='pairs.test' to='prosody.test'>0123</db:result>")
        assert (await probe.element()).get("type") == "error"


async def more(component) -> list[object]:
    """Return what else has come to a component, by the time that an answer has."""
    await component.request("gateway.test", "<ping xmlns='urn:xmpp:ping'/>")
    return component.inbox
