"""Keys of other domains: another key is noticed within the attempt that shows it, and refused where one is pinned."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.net.certificates.judge import key_digest
from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import StreamEndedError, client_tls, dial
from tests.interop.scripted import EXTERNAL, scripted
from tests.interop.world import World
from tests.support.throwaway_ca import Issued


@pytest.fixture(scope="module")
def pinned(world: World) -> Issued:
    """The certificate whose key is pinned for one domain."""
    return world.authority.issue("pinned.keys.test")


@pytest.fixture(scope="module")
def gateway(start_all: Starter, pinned: Issued) -> Peer:
    pins = [f"sha256:{key_digest(pinned.certificate)}"]
    options = {"peers": {"any": {"connect_seconds": 5.0}, "pinned.keys.test": {"pin": pins}}}
    return start_all(Gateway, "keeper.test", components={"component.keeper.test": "secret"}, options=options)


@asynccontextmanager
async def delivering(world: World, gateway: Peer, certificate: Issued) -> Any:
    """A message on its way to a server with that certificate."""
    domain = str(certificate.certificate.subject.rdns[0]._attributes[0].value)
    async with scripted(world, domain, certificate) as script, attached(gateway) as component:
        yield script, component, component.send_message(f"anybody@{domain}", "Art thou there?")


async def test_another_key_is_noticed_at_once_and_after_a_restart(world: World, gateway: Peer) -> None:
    for _ in range(2):
        async with delivering(world, gateway, world.authority.issue("changed.keys.test")) as (script, *_):
            await (await script.established()).element()
        gateway.logged("changed.keys.test", "established")
        gateway.restart()
    assert gateway.logged(" warn ", "changed.keys.test shows a new key, which no regular renewal explains")
    explained = json.loads(gateway.operate("explain", "--json", "changed.keys.test"))
    assert len({each["key"] for each in explained["keys"]}) == 2


async def test_no_other_key_than_the_pinned_one_is_accepted(world: World, gateway: Peer, pinned: Issued) -> None:
    async with delivering(world, gateway, pinned) as (script, *_):
        await (await script.established()).element()
    gateway.operate("close", "pinned.keys.test")
    gateway.operate("retry", "pinned.keys.test")  # which forgets the address, too
    other = world.authority.issue("pinned.keys.test")
    async with delivering(world, gateway, other) as (script, component, lost):
        probe = await script.encrypted(EXTERNAL)
        assert await probe.error() == "not-authorized"
        assert await component.expect_error(lost) == "remote-server-timeout"
    assert gateway.logged("to pinned.keys.test", "not-pinned", f"sha256:{key_digest(other.certificate)}")


async def test_a_caller_with_another_key_is_turned_away(world: World, gateway: Peer, pinned: Issued) -> None:
    async with dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(world.bundle(pinned)), "pinned.keys.test", "component.keeper.test")
    other = world.authority.issue("pinned.keys.test")
    async with dial(gateway.address, SERVER) as probe:
        with pytest.raises(StreamEndedError):
            await probe.prove(client_tls(world.bundle(other)), "pinned.keys.test", "component.keeper.test")
    assert gateway.logged("from pinned.keys.test", "not-pinned")
