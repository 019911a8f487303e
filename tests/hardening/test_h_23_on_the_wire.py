"""H-23: a stanza before negotiation is complete is `not-authorized`, and the stream is closed (RFC 6120 §8)."""

from __future__ import annotations

import pytest

from tests.interop.clients import attached
from tests.interop.peers import Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import client_tls, dial
from tests.interop.world import World

STANZAS = [
    "<message from='a@probe.test' to='component.gateway.test'><body>too early</body></message>",
    "<presence from='a@probe.test' to='component.gateway.test'/>",
    "<iq from='a@probe.test' to='gateway.test' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
]


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("stanza", STANZAS)
async def test_too_early(world: World, gateway: Peer, stanza: str, encrypted: bool) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    async with attached(gateway) as component, dial(gateway.address, SERVER) as probe:
        await probe.open("probe.test", "gateway.test")
        await probe.element()
        if encrypted:
            await probe.secure(client_tls(bundle), "gateway.test")
            await probe.open("probe.test", "gateway.test")
            await probe.element()
        await probe.type(stanza)
        assert await probe.error() == "not-authorized"
        await component.request("gateway.test", "<ping xmlns='urn:xmpp:ping'/>")
        assert not component.inbox
