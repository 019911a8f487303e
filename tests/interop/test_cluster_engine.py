"""The engine over a real nats-server keeps the contract of engines, with a network between that can be cut."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gateway.cluster.interfaces import ICluster
from gateway.cluster.lease import LEASE_SECONDS
from gateway.net.engine.nats_engine import EngineAccess, NatsEngine
from tests.faults.proxy import Wire
from tests.interop.fixtures import require_installed
from tests.interop.nodes import Nats
from tests.interop.peers.site import NATS
from tests.interop.world import World
from tests.unit.cluster.contract import Bench, EngineContract

PATIENCE = 4.0
"""Times as many seconds as in virtual time, for a busy machine."""


class LoopClock:
    """The clock of a node on asyncio's loop."""

    def seconds(self) -> float:
        return time.monotonic()

    def callLater(self, delay: float, call: Callable[..., Any], *args: Any, **kw: Any) -> _Call:
        return _Call(asyncio.get_running_loop().call_later(delay, lambda: call(*args, **kw)))


class _Call:
    def __init__(self, handle: asyncio.TimerHandle) -> None:
        self._handle = handle

    def active(self) -> bool:
        return not self._handle.cancelled() and self._handle.when() > asyncio.get_running_loop().time()

    def cancel(self) -> None:
        self._handle.cancel()


class NatsBench(Bench):
    """A nats-server, and a wire from each node to it; each test has a cluster of its own name."""

    def __init__(self, world: World, nats: Nats, name: str) -> None:
        self._world = world
        self._nats = nats
        self._name = name
        self._clock = LoopClock()
        self._wires: dict[str, Wire] = {}
        self._engines: list[ICluster] = []

    @property
    def clock(self) -> LoopClock:
        return self._clock

    async def engine(self, node: str) -> ICluster:
        wire = self._wires[node] = Wire(self._world.address(), NATS, to=(self._nats.address, NATS))
        await wire.__aenter__()
        access = EngineAccess(urls=[f"nats://{wire.address}:{NATS}"], cluster=self._name, node=node)
        self._engines.append(NatsEngine(access))
        return self._engines[-1]

    async def until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + PATIENCE * seconds
        await asyncio.sleep(0)
        while not condition():
            assert time.monotonic() < deadline, f"not within {PATIENCE * seconds} s"
            await asyncio.sleep(0.01)

    async def cut_off(self, node: str) -> None:
        await self._wires[node].__aexit__()

    async def heal(self, node: str) -> None:
        await self._wires[node].__aenter__()

    async def stop(self) -> None:
        self._nats.stop()

    async def start(self) -> None:
        self._nats.start()  # from the main thread: it ends with the thread that started it


@pytest.fixture(scope="module")
def nats(world: World) -> Iterator[Nats]:
    require_installed(Nats)
    with Nats(world.address(), world.folder / "nats-engine") as nats:
        yield nats


class TestNats(EngineContract):
    @pytest.fixture
    def bench(self, world: World, nats: Nats, request: pytest.FixtureRequest) -> Bench:
        return NatsBench(world, nats, request.node.name.replace("_", "-"))

    async def test_a_connection_that_no_longer_tells_of_changes_is_given_up(self, bench: Bench) -> None:
        """Within a lease, so that nobody is taken for dead."""
        a, listener = await bench.listening("a")
        assert isinstance(a, NatsEngine)
        assert a._client is not None
        stream, bucket = a._client.jetstream(), f"KV_{a._access.bucket}"
        for consumer in await stream.consumers_info(bucket):
            await stream.delete_consumer(bucket, consumer.name)
        await bench.result(a.put("at.a.x", b"p"))
        began = time.monotonic()
        await bench.until(lambda: listener.came == 2, 10)
        assert time.monotonic() - began < LEASE_SECONDS
        assert listener.entries["at.a.x"] == b"p"
