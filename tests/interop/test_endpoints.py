"""Doors at other endpoints of Twisted's than plain TCP: what stands between us and the wire is not passed by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import COMPONENT as PORT
from tests.interop.peers.site import SERVER
from tests.interop.probe import COMPONENT, Probe, dial
from tests.interop.world import World

HANDSHAKE = f"{{{COMPONENT}}}handshake"
BRIDGE, SECRET = "bridge.endpoints.test", "secret"


class Elsewhere(Gateway):
    """Its door for components is not where others have it."""

    def ports(self) -> tuple[int, ...]:
        return (SERVER,)


def at_endpoint(start: Starter, endpoint: str) -> Peer:
    options = {"listen": {"component": [endpoint]}}
    ours = start(Elsewhere, "endpoints.test", components={BRIDGE: SECRET}, options=options)
    ours.wait_until(lambda: "answering for" in ours.log(), 10, "did not open its doors")
    return ours


async def attached(probe: Probe) -> None:
    """The component is let in, and a message to itself comes back."""
    assert (await probe.attach(BRIDGE, SECRET)).tag == HANDSHAKE
    await probe.type(f"<message from='a@{BRIDGE}' to='b@{BRIDGE}' id='1'/>")
    assert (await probe.element()).get("id") == "1"


async def test_behind_a_proxy_that_tells_whom_it_brings(world: World, start: Starter) -> None:
    address = world.address()
    at_endpoint(start, f"haproxy:tcp:{PORT}:interface={address}")
    async with dial(address, PORT) as probe:
        await probe.type("PROXY TCP4 192.0.2.7 192.0.2.1 4711 5347\r\n")
        await attached(probe)


@asynccontextmanager
async def dial_socket(path: Path) -> AsyncIterator[Probe]:
    probe = Probe(*await asyncio.open_unix_connection(path))
    try:
        yield probe
    finally:
        probe.drop()


async def test_a_socket_in_the_file_system_is_a_door(start: Starter, tmp_path: Path) -> None:
    at_endpoint(start, f"unix:{tmp_path / 'component.socket'}")
    async with dial_socket(tmp_path / "component.socket") as probe:
        await attached(probe)
