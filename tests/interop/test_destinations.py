"""Where other domains may not lead us: what their DNS says is not followed everywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import client_tls, dial
from tests.interop.world import World

DOMAIN, COMPONENT = "bound.test", "component.bound.test"
INNER = "127.77.0.0/16"
PORT = 7000


@pytest.fixture(scope="module")
def gateway(start_all: Starter) -> Peer:
    options = {"dns": {"refuse_networks": [INNER]}, "log": {"level": "info"}, "limits": {"negotiate_seconds": 5}}
    return start_all(Gateway, DOMAIN, components={COMPONENT: "secret"}, options=options)


@asynccontextmanager
async def tripwire(address: str) -> AsyncIterator[list[str]]:
    """A service at one of our addresses that no stranger should reach; the list takes who comes."""
    came: list[str] = []

    def trip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.append(writer.get_extra_info("peername")[0])
        writer.close()

    async with await asyncio.start_server(trip, address, PORT):
        yield came


def lead(world: World, domain: str, address: str, port: int) -> None:
    """Put into the DNS what that domain's owner would."""
    world.nameserver.publish_records(
        {f"_xmpp-server._tcp.{domain}": {"SRV": [f"10 0 {port} to.{domain}"]}, f"to.{domain}": {"A": [address]}}
    )


@pytest.mark.parametrize(("address", "reached"), [("127.77.0.1", False), ("127.78.0.1", True)])
async def test_only_networks_that_are_not_refused_are_dialled(
    world: World, gateway: Peer, address: str, reached: bool
) -> None:
    domain = f"stranger-{address.replace('.', '-')}.test"
    lead(world, domain, address, PORT)
    async with tripwire(address) as came, attached(gateway) as component:
        number = component.send_message(f"a@{domain}", "hello")
        condition = await component.expect_error(number)
        assert bool(came) == reached
    if not reached:
        assert condition == "remote-server-not-found"
        assert f"{address}:{PORT}, which is not dialled: {INNER} is refused ([dns] refuse_networks)" in gateway.log()


@pytest.mark.parametrize("address", ["0.0.0.0", "255.255.255.255", "224.0.0.251", "240.0.0.1"])
async def test_where_no_server_can_be_is_not_dialled(world: World, gateway: Peer, address: str) -> None:
    domain = f"nowhere-{address.replace('.', '-')}.test"
    lead(world, domain, address, PORT)
    async with attached(gateway) as component:
        number = component.send_message(f"a@{domain}", "hello")
        assert await component.expect_error(number) == "remote-server-not-found"


async def test_a_domain_that_leads_to_a_door_of_ours_is_not_dialled(world: World, gateway: Peer) -> None:
    """Neither for a stanza nor for a dialback key, of which the stranger hears as of any server that is not found."""
    lead(world, "mirror.test", gateway.address, SERVER)
    async with attached(gateway) as component:
        number = component.send_message("a@mirror.test", "hello")
        assert await component.expect_error(number) == "remote-server-not-found"
    async with dial(gateway.address, SERVER) as probe:
        await probe.open("mirror.test", DOMAIN)
        await probe.element()
        await probe.secure(client_tls(world.bundle(world.authority.issue("other.test"))), DOMAIN)
        await probe.open("mirror.test", DOMAIN)
        await probe.element()
        await probe.type(f"<db:result from='mirror.test' to='{DOMAIN}'>0123456789</db:result>")
        answer = await probe.element()
        assert answer.get("type") == "error"
        assert "remote-server-not-found" in answer[0][0].tag
    log = gateway.log()
    assert f"{gateway.address}:{SERVER}, which is not dialled: that is a port of this gateway" in log
    assert f"({gateway.address}:" not in log  # nobody came from there


async def test_a_stranger_whose_domain_is_no_address_at_all_is_not_followed(world: World, gateway: Peer) -> None:
    async with attached(gateway) as component:
        number = component.send_message("a@0.0.0.0", "hello")
        assert await component.expect_error(number) == "remote-server-not-found"
    assert "0.0.0.0:5269, which is not dialled: no server can be at an unspecified address" in gateway.log()
