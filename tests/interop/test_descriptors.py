"""A gateway with few file descriptors: it says so, lets in no more than it can, and recovers when they have run out."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack

import pytest

from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.process import accepts
from tests.interop.peers.site import HTTP, SERVER
from tests.interop.probe import Probe, client_tls, dial
from tests.interop.world import World

DOMAIN, FEW = "few.test", 80


class Confined(Gateway):
    """The gateway where a process may have only a few descriptors."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.support.hampered", "--descriptors", str(FEW), *super().command()]


@pytest.fixture
def gateway(start: Starter, world: World) -> Peer:
    options: dict[str, dict[str, object]] = {"log": {"level": "info"}, "listen": {}}
    server = start(Confined, DOMAIN, options=options)
    server.stop()
    options["listen"]["http"] = [f"tcp:{HTTP}:interface={server.address}"]
    server.start()
    server.wait_until(lambda: accepts(server.address, HTTP), 10, "ready at all its ports")
    return server


async def knock(world: World, gateway: Peer, probe: Probe) -> None:
    await probe.prove(client_tls(world.bundle(world.authority.issue("peer.few.test"))), "peer.few.test", DOMAIN)


async def test_too_few_for_the_limits_is_told_and_no_more_are_let_in(world: World, gateway: Peer) -> None:
    assert f"the limit of {FEW} file descriptors is too low for 20000 streams" in gateway.log()
    async with AsyncExitStack() as held:
        for _ in range(FEW):
            await held.enter_async_context(dial(gateway.address, SERVER))
        gateway.wait_until(lambda: f"{FEW // 2} streams are open ([limits] streams)" in gateway.log(), 5, "telling")
        status = await asyncio.to_thread(gateway.operate, "status")  # type: ignore[attr-defined]
        assert DOMAIN in status
    assert "cannot be accepted" not in gateway.log()


async def test_a_door_survives_that_there_are_none_left(world: World, gateway: Peer) -> None:
    """Readers of the page are not counted as streams, so they can use up everything."""
    async with AsyncExitStack() as held:
        for _ in range(2 * FEW):
            await held.enter_async_context(dial(gateway.address, HTTP))
        told = f"connections cannot be accepted: all {FEW} file descriptors of this process are in use"
        gateway.wait_until(lambda: told in gateway.log(), 5, "telling of it")
        assert gateway.log().count("cannot be accepted") == 1
    await asyncio.sleep(0.5)
    async with dial(gateway.address, SERVER) as probe:
        await knock(world, gateway, probe)
    assert "Traceback" not in gateway.log()
