"""H-20: bytes that travel ahead of TLS, or of the end of SASL, are never read as part of what these protect."""

from __future__ import annotations

import pytest

from tests.interop.clients import attached
from tests.interop.peers import Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import SASL, TLS, client_tls, dial
from tests.interop.scripted import EXTERNAL, PROCEED, STARTTLS, SUCCESS, scripted
from tests.interop.world import World

AHEAD = "<db:result from='probe.test' to='gateway.test'>0123</db:result>"
BEHIND = "<stream:features/>"


async def test_what_follows_starttls_in_clear_ends_the_stream(gateway: Peer) -> None:
    async with dial(gateway.address, SERVER) as probe:
        await probe.open("probe.test", "gateway.test")
        await probe.element()
        await probe.type(f"<starttls xmlns='{TLS}'/>{AHEAD}")
        assert await probe.error() == "policy-violation"
        assert b"<proceed" not in probe.received


async def test_what_follows_auth_ends_the_stream(world: World, gateway: Peer) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    async with dial(gateway.address, SERVER) as probe:
        await probe.open("probe.test", "gateway.test")
        await probe.element()
        await probe.secure(client_tls(bundle), "gateway.test")
        await probe.open("probe.test", "gateway.test")
        await probe.element()
        await probe.type(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>=</auth><message from='probe.test'/>")
        assert await probe.error() == "policy-violation"
        assert b"<success" not in probe.received


@pytest.mark.parametrize("step", ["proceed", "success"])
async def test_what_follows_the_other_sides_consent_ends_the_stream(world: World, gateway: Peer, step: str) -> None:
    domain = f"{step}.smuggler.test"
    async with scripted(world, domain) as script, attached(gateway) as component:
        lost = component.send_message(f"anybody@{domain}", "A secret")
        if step == "proceed":
            probe = await script.connection()
            await script.greet(probe, STARTTLS)
            await probe.element()
            await probe.type(PROCEED + BEHIND)
        else:
            probe = await script.encrypted(EXTERNAL)
            await probe.element()
            await probe.type(SUCCESS + BEHIND)
        assert await probe.error() == "policy-violation"
        assert await component.expect_error(lost) == "remote-server-timeout"
        assert b"A secret" not in probe.received
    (told,) = (line for line in gateway.log().splitlines() if f"to {domain}" in line and "refused-by-us" in line)
    assert "data was sent before TLS" in told
