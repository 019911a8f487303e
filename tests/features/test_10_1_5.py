"""Feature 10.1-5: what comes from a server is from a domain that this stream has proved (RFC 6120 §8.1.2.2)."""

from __future__ import annotations

import pytest

from tests.interop.clients import attached
from tests.interop.peers import Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import client_tls, dial
from tests.interop.world import World


@pytest.mark.parametrize("sender", ["probe.test", "a@probe.test", "a@PROBE.test/b", "a@probe.test./c"])
async def test_any_address_of_the_domain_passes(world: World, gateway: Peer, sender: str) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    async with attached(gateway) as component, dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "probe.test", component.jid)
        await probe.type(f"<message from='{sender}' to='{component.jid}'><body>Hi</body></message>")
        await component.expect_message("Hi")


@pytest.mark.parametrize("sender", ["a@other.test", "a@sub.probe.test", "test", "a@gateway.test", "@"])
async def test_no_other_domain_does(world: World, gateway: Peer, sender: str) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    async with dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "probe.test", "gateway.test")
        await probe.type(f"<message from='{sender}' to='gateway.test'><body>Hi</body></message>")
        assert await probe.error() == "invalid-from"


@pytest.mark.parametrize("sender", ["@probe.test", "a b@probe.test", "a@b@probe.test", "room@probe.test/"])
async def test_what_is_no_address_of_the_domain_is_dropped_alone(world: World, gateway: Peer, sender: str) -> None:
    bundle = world.bundle(world.authority.issue("probe.test"))
    async with attached(gateway) as component, dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "probe.test", component.jid)
        await probe.type(f"<message from='{sender}' to='{component.jid}'><body>bad</body></message>")
        await probe.type(f"<message from='a@probe.test' to='{component.jid}'><body>good</body></message>")
        await component.expect_message("good")
