"""Feature 5-1: SASL is supported: offered to clients and to servers, once TLS protects the stream (RFC 6120 §6)."""

from __future__ import annotations

import pytest

from tests.interop.clients import attached, user
from tests.interop.fixtures import Starter
from tests.interop.knocking import knocking, opened, plain
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import CLIENT, SERVER
from tests.interop.probe import SASL, client_tls, dial
from tests.interop.scripted import EXTERNAL, SUCCESS, scripted
from tests.interop.world import World

MECHANISMS = f"{{{SASL}}}mechanisms"


async def test_clients_authenticate_after_tls_and_not_before(house: Peer) -> None:
    async with dial(*house.at(CLIENT)) as probe:
        features = await opened(probe, house)
        assert [child.tag.rpartition("}")[2] for child in features] == ["starttls"]
        await probe.secure(client_tls(), "im.test")
        features = await opened(probe, house)
        offered = features.find(MECHANISMS)
        assert offered is not None
        assert [each.text for each in offered] == [
            "SCRAM-SHA-256-PLUS",
            "SCRAM-SHA-1-PLUS",
            "SCRAM-SHA-256",
            "SCRAM-SHA-1",
            "PLAIN",
        ]
        assert (await plain(probe, "romeo")).tag == f"{{{SASL}}}success"
        assert (await opened(probe, house)).find(MECHANISMS) is None


async def test_channel_bindings_are_named_beside_the_mechanisms(house: Peer) -> None:
    async with knocking(house) as probe:
        types = b"urn:xmpp:sasl-cb:0"
        assert types in probe.received
        assert b"type='tls-exporter'" in probe.received
        assert b"type='tls-server-end-point'" in probe.received


async def test_servers_authenticate_by_what_their_certificate_proves(house: Peer, world: World) -> None:
    bundle = world.bundle(world.authority.issue("visitor.test"))
    async with dial(*house.at(SERVER)) as probe:
        await probe.open("visitor.test", "im.test")
        assert (await probe.element()).find(MECHANISMS) is None
        await probe.secure(client_tls(bundle), "im.test")
        await probe.open("visitor.test", "im.test")
        offered = (await probe.element()).find(MECHANISMS)
        assert offered is not None
        assert [each.text for each in offered] == ["EXTERNAL"]
        assert (await probe.authenticate("visitor.test")).tag == f"{{{SASL}}}success"


async def test_we_authenticate_to_the_servers_that_we_call(gateway: Peer, world: World) -> None:
    async with scripted(world, "called.test") as script, attached(gateway) as component:
        component.send_message("anybody@called.test", "Art thou there?")
        probe = await script.encrypted(EXTERNAL)
        auth = await probe.element()
        assert (auth.tag, auth.get("mechanism")) == (f"{{{SASL}}}auth", "EXTERNAL")
        await probe.type(SUCCESS)
        probe.restart()
        await script.greet(probe, "")  # which takes a new header of ours
        assert (await probe.element()).findtext("{jabber:server}body") == "Art thou there?"


@pytest.mark.parametrize("mechanism", ["PLAIN", "ANONYMOUS", "SCRAM-SHA-256", "external", "X-EXTERNAL"])
async def test_no_mechanism_that_proves_no_domain_is_used_between_servers(
    gateway: Peer, world: World, mechanism: str
) -> None:
    domain = f"{mechanism.lower()}.mechanism.test"
    async with scripted(world, domain) as script, attached(gateway) as component:
        component.send_message(f"anybody@{domain}", "Art thou there?")
        probe = await script.encrypted(EXTERNAL.replace("EXTERNAL", mechanism))
        assert (await probe.element()).tag == "{jabber:server:dialback}result"


async def test_real_servers_are_authenticated_both_ways(start: Starter, peer: Peer) -> None:
    domain = "fresh.test"  # which has no other stream on which dialback could add it
    ours = start(Gateway, domain)
    async with user(peer, "romeo") as romeo:
        romeo.send_message(f"anybody@{domain}", "Ay me!")
        await romeo.expect_message("Ay me!")
    assert "external" in ours.proofs(peer.site.domains[0])
    assert "external" in peer.proofs(domain)
