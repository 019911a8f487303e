"""H-30: DTDs, entities, processing instructions and comments end a stream within its first bytes; CDATA is allowed."""

from __future__ import annotations

import pytest

from tests.interop.peers import Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import STREAM, client_tls, dial, header
from tests.interop.world import World

BOMB = "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;'>]>"
OPEN = header("probe.test", "gateway.test").removeprefix("<?xml version='1.0'?>")


@pytest.mark.parametrize(
    ("first", "conditions"),
    [
        (f"<?xml version='1.0'?>{BOMB}{OPEN}", {"restricted-xml"}),
        (f"<!DOCTYPE x SYSTEM 'http://127.0.0.1:1/x.dtd'>{OPEN}", {"restricted-xml"}),
        (f"<?xml version='1.0'?><?php echo 1 ?>{OPEN}", {"restricted-xml"}),
        (f"<!-- hello -->{OPEN}", {"restricted-xml"}),
        (f"{OPEN}<!-- hello -->", {"restricted-xml"}),
        (f"{OPEN}<?php echo 1 ?>", {"restricted-xml"}),
        (f"{OPEN}<message>&c;</message>", {"restricted-xml", "not-well-formed"}),
        (f"{OPEN}<message></iq>", {"not-well-formed"}),
        (f"<?xml version='1.0' encoding='ISO-8859-1'?>{OPEN}", {"unsupported-encoding"}),
        (f"<?xml version='1.0' encoding='UTF-16'?>{OPEN}", {"unsupported-encoding", "not-well-formed"}),
    ],
)
async def test_restricted_xml_is_refused(gateway: Peer, first: str, conditions: set[str]) -> None:
    async with dial(gateway.address, SERVER) as probe:
        await probe.type(first)
        assert await probe.error() in conditions
        assert len(probe.received) < 2000


async def test_it_is_refused_after_authentication_as_well(world: World, gateway: Peer) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    async with dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "probe.test", "gateway.test")
        await probe.type("<message from='probe.test' to='gateway.test'><body><!-- hello --></body></message>")
        assert await probe.error() == "restricted-xml"


async def test_cdata_is_text(world: World, gateway: Peer) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    async with dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "probe.test", "gateway.test")
        await probe.type(
            "<iq type='get' id='1' from='probe.test' to='gateway.test'><x xmlns='a'><![CDATA[<&>]]></x></iq>"
        )
        await probe.type("</stream:stream>")
        assert await probe.ended()
        assert f"{STREAM}error" not in probe.received.decode()
        assert b"<stream:error" not in probe.received
