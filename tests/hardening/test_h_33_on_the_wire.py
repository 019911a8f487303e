"""H-33 on the wire: half-open streams, slow drips and stanzas without end cost little, and leave nothing behind.

The full run has ten thousand of them: H33_STREAMS=10000.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import Probe, client_tls, dial, header
from tests.interop.world import World

STREAMS = int(os.environ.get("H33_STREAMS", "500"))
MOST_MEMORY = (
    32 << 20
)  # of the 300 streams that are let in, each with as much as it may say before it has proved anything
PAGE = os.sysconf("SC_PAGE_SIZE")
DOMAIN = "h33.test"
LIMITS = {"connections_per_minute": 0, "streams_per_address": 200, "unauthenticated_streams": 300}


def memory(server: Peer) -> int:
    """The memory that a process has, in bytes."""
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * PAGE


def connections(gateway: Gateway) -> int:
    """Return how many streams others have opened to it, as it tells its operator."""
    return len(json.loads(gateway.operate("status", "--json"))["streams"])


@asynccontextmanager
async def half_open(gateway: Peer, count: int, said: str) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """Open this many connections that send this, from many addresses, a hundred each."""
    writers: list[asyncio.StreamWriter] = []

    async def connect(number: int) -> None:
        source = f"127.1.{number // 100 % 250}.{1 + number // 25000}"
        _, writer = await asyncio.open_connection(gateway.address, SERVER, local_addr=(source, 0))
        writer.write(said.encode())
        writers.append(writer)

    for hundred in range(0, count, 100):
        await asyncio.gather(*map(connect, range(hundred, min(hundred + 100, count))))
    try:
        yield writers
    finally:
        for writer in writers:
            writer.transport.abort()


async def flooded(probe: Probe, piece: str) -> int:
    """Return how many such pieces are taken before the connection ends."""
    taken = 0
    with contextlib.suppress(OSError, TimeoutError):
        while taken < 1000:
            await asyncio.wait_for(probe.type(piece), 5)
            taken += 1
    return taken


@pytest.fixture
def gateway(start: Starter) -> Gateway:
    options = {"limits": {**LIMITS, "negotiate_seconds": 60}, "log": {"level": "info"}}
    server = start(Gateway, DOMAIN, options=options)
    assert isinstance(server, Gateway)
    return server


@pytest.mark.parametrize(
    "said", ["", header("flood.test", DOMAIN), header("flood.test", DOMAIN) + "<a>" * 3 + "x" * 9000]
)
async def test_h_33_half_open_streams_cost_little_and_keep_nobody_out(
    world: World, gateway: Gateway, said: str
) -> None:
    before = memory(gateway)
    async with half_open(gateway, STREAMS, said):
        async with dial(gateway.address, SERVER) as probe:
            bundle = world.bundle(world.authority.issue("honest.test"))
            await probe.prove(client_tls(bundle), "honest.test", DOMAIN)
        grown = memory(gateway) - before
        print(f"{STREAMS} half-open streams: grown by {grown >> 20} MB, {connections(gateway)} are open")
        assert grown < MOST_MEMORY
        assert connections(gateway) <= LIMITS["unauthenticated_streams"] + 1
    async with asyncio.timeout(60):
        while connections(gateway):
            await asyncio.sleep(0.2)


async def test_h_33_a_stanza_that_is_never_closed_ends_at_its_limit(world: World, gateway: Gateway) -> None:
    bundle = world.bundle(world.authority.issue("endless.test"))
    before = memory(gateway)
    async with dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(bundle), "endless.test", DOMAIN)
        await probe.type(f"<message from='a@endless.test' to='{DOMAIN}'><body>")
        assert await flooded(probe, "x" * 65536) < 1000  # 64 MB, if they were taken
    assert memory(gateway) - before < 16 << 20
    gateway.wait_until(lambda: "policy-violation" in gateway.log(), 30, "telling of it")


async def test_h_33_slow_drips_end_when_negotiation_has_taken_too_long(start: Starter) -> None:
    gateway = start(
        Gateway, "drip.h33.test", options={"limits": {**LIMITS, "negotiate_seconds": 2, "close_seconds": 1}}
    )
    slow = iter(header("flood.test", "drip.h33.test"))
    async with half_open(gateway, 100, "") as writers:
        async with asyncio.timeout(60):
            while not all(writer.transport.is_closing() for writer in writers):
                said = next(slow, " ")
                for writer in writers:
                    writer.write(said.encode())
                await asyncio.sleep(0.1)
    assert gateway.log().count("negotiation took too long") >= 100
