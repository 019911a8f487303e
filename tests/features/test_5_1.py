"""Feature 5-1: SASL is supported: offered to clients and to servers, once TLS protects the stream (RFC 6120 §6)."""

from __future__ import annotations

from tests.interop.knocking import knocking, opened, plain
from tests.interop.peers import Peer
from tests.interop.peers.site import CLIENT
from tests.interop.probe import SASL, client_tls, dial
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
    async with dial(*house.at(5269)) as probe:
        await probe.open("visitor.test", "im.test")
        assert (await probe.element()).find(MECHANISMS) is None
        await probe.secure(client_tls(bundle), "im.test")
        await probe.open("visitor.test", "im.test")
        offered = (await probe.element()).find(MECHANISMS)
        assert offered is not None
        assert [each.text for each in offered] == ["EXTERNAL"]
        assert (await probe.authenticate("visitor.test")).tag == f"{{{SASL}}}success"
