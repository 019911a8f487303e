"""Feature 10.1-6: a stanza that leaves its stream takes the stream's language with it (RFC 6120 §4.7.4, §8.1.5)."""

from __future__ import annotations

import pytest

from tests.interop.clients import attached
from tests.interop.peers import Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import SASL, client_tls, dial
from tests.interop.world import World

LANG = "{http://www.w3.org/XML/1998/namespace}lang"


@pytest.mark.parametrize(("own", "expected"), [("", "it"), ("xml:lang='fr'", "fr")])
async def test_the_language_of_the_stream_unless_it_has_its_own(
    world: World, gateway: Peer, own: str, expected: str
) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    async with attached(gateway) as component, dial(gateway.address, SERVER) as probe:
        await probe.open("probe.test", component.jid)
        await probe.element()
        await probe.secure(client_tls(bundle), component.jid)
        await probe.open("probe.test", component.jid)
        await probe.element()
        assert (await probe.authenticate("probe.test")).tag == f"{{{SASL}}}success"
        await probe.open("probe.test", component.jid, more="xml:lang='it'")
        await probe.element()
        await probe.type(f"<message from='a@probe.test' to='{component.jid}' {own}><body>Ciao</body></message>")
        assert (await component.expect_message("Ciao")).xml.get(LANG) == expected
