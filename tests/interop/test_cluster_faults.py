"""Nodes that die, sleep and drain, and a NATS that restarts, while stanzas cross: none is lost without an end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest

from gateway.cluster.lanes import WINDOW_STANZAS
from tests.interop.clients import Component, Stanza
from tests.interop.fixtures import require_installed
from tests.interop.nodes import Cluster, Nats
from tests.interop.peers import Peer
from tests.interop.peers.gateway import ECHO
from tests.interop.peers.site import COMPONENT
from tests.interop.world import World

ROOMS, HALLS, BOTS = "rooms.faults.test", "halls.faults.test", "bots.faults.test"
ONCE = "nurse.faults.test"  # a service at one node: of a, b, c at c, of a and b at a
SECRET = "secret"
PATIENCE = 3  # times as long on a busy machine
EXPECT_SECONDS = 120.0  # of a busy machine on which the death of a node has to be noticed first; 11 on a quiet one


@pytest.fixture(scope="module")
def cluster(world: World) -> Iterator[Cluster]:
    require_installed(Nats)
    once = {"serve": ECHO, "run": "once"}
    options = {"domains": {ROOMS: {"keep": "all"}, HALLS: {"keep": "waiting"}, ONCE: once}}
    components = {ROOMS: SECRET, HALLS: SECRET, BOTS: SECRET}
    with Cluster(world, "faults.test", components=components, options=options, verbose=False) as cluster:
        yield cluster


def at(node: Peer, domain: str) -> Component:
    return Component(domain, SECRET, node.at(COMPONENT))


async def send(bots: Component, story: str, first: int, count: int, to: str = ROOMS) -> list[str]:
    """Send numbered messages in small portions; returns their bodies."""
    bodies = [f"{story} {number}" for number in range(first, first + count)]
    for number, text in enumerate(bodies):
        bots.send_message(f"hall@{to}", text)
        if number % 20 == 0:
            await asyncio.sleep(0.005)
    return bodies


async def next_of(rooms: Component, story: str) -> str:
    """Return the next body of a story; what an earlier test has left may arrive again."""
    return str((await rooms.expect(lambda stanza: of(story, stanza), EXPECT_SECONDS))["body"])


async def next_alone(rooms: Component, story: str) -> str:
    """Return the same, and forget the rest: to look through hundreds of messages for each that comes takes seconds."""
    while not of(story, stanza := await rooms.expect_any_message(EXPECT_SECONDS)):
        pass
    return str(stanza["body"])


def of(story: str, stanza: Stanza) -> bool:
    return stanza.name == "message" and str(stanza["body"]).startswith(f"{story} ")


async def heard(rooms: Component, until: str) -> list[str]:
    """Return the bodies of a story that arrive, up to this one."""
    found: list[str] = []
    while until not in found:
        found.append(await next_alone(rooms, until.partition(" ")[0]))
    return found


async def test_nats_restarts_while_stanzas_cross(cluster: Cluster) -> None:
    async with at(cluster["a"], ROOMS) as rooms, at(cluster["b"], BOTS) as bots:
        cluster.serves(ROOMS, "a")
        sent = await send(bots, "nats", 0, 300)
        await asyncio.to_thread(cluster.nats.stop)
        sent += await send(bots, "nats", 300, 300)
        cluster.nats.start()
        sent += await send(bots, "nats", 600, 300)
        assert await heard(rooms, "nats 899") == sent, "each once, and in order"


async def test_a_node_dies_and_everything_that_was_kept_arrives(cluster: Cluster) -> None:
    async with at(cluster["b"], BOTS) as bots:
        rooms = at(cluster["a"], ROOMS)
        await rooms.__aenter__()
        cluster.serves(ROOMS, "a")
        sent = await send(bots, "death", 0, 400)
        cluster["a"].kill()
        sent += await send(bots, "death", 400, 200)
        found = [str(stanza["body"]) for stanza in rooms.inbox if of("death", stanza)]
        rooms.abort()
        async with at(cluster["c"], ROOMS) as again:
            sent += await send(bots, "death", 600, 200)
            found += await heard(again, "death 799")  # within the time in which a death is noticed
            cluster["a"].start()
            while missing := set(sent) - set(found):
                found.append(await next_alone(again, "death"))
                assert missing
            assert len(found) - len(set(found)) <= WINDOW_STANZAS
            cluster.settled("a", "b", "c")


async def test_a_process_that_sleeps_is_given_up_and_joins_again(cluster: Cluster) -> None:
    """A service that it alone has run, another node runs within 15 seconds; what was sent meanwhile arrives once."""
    await asyncio.to_thread(cluster.serves, ONCE, "c")
    async with at(cluster["b"], BOTS) as bots:
        await asyncio.to_thread(cluster.serves, BOTS, "b")
        sent = await send(bots, "awake", 0, 20, ONCE)
        assert [await next_of(bots, "awake") for _ in sent] == sent
        began = time.monotonic()
        cluster["c"].pause()
        try:
            sent = await send(bots, "asleep", 0, 20, ONCE)
            assert [await next_of(bots, "asleep") for _ in sent] == sent
            assert time.monotonic() - began < 15 * PATIENCE
            assert cluster["a"].ask("status")["cluster"]["places"][ONCE] == ["a"]
            await asyncio.to_thread(cluster.settled, "a", "b")
            shards = {each["node"]: each["shards"] for each in cluster["a"].ask("status")["cluster"]["nodes"]}
            assert shards["a"] + shards["b"] == 256
        finally:
            cluster["c"].resume()
        await asyncio.to_thread(cluster.settled, "a", "b", "c")
        await asyncio.to_thread(cluster.serves, ONCE, "c")
        sent = await send(bots, "again", 0, 20, ONCE)
        assert [await next_of(bots, "again") for _ in sent] == sent
        assert not any(of("asleep", stanza) for stanza in bots.inbox), "nobody has answered twice"


async def test_a_node_is_drained_without_a_loss(cluster: Cluster) -> None:
    async with at(cluster["b"], BOTS) as bots, at(cluster["c"], HALLS) as rooms:
        cluster.serves(HALLS, "c")
        sent = await send(bots, "drain", 0, 200, HALLS)
        drained = asyncio.create_task(asyncio.to_thread(cluster["c"].operate, "drain"))
        await rooms.disconnected()
        found = [str(stanza["body"]) for stanza in rooms.inbox if of("drain", stanza)]
        async with at(cluster["a"], HALLS) as again:
            sent += await send(bots, "drain", 200, 200, HALLS)
            assert "node c stops now; 1 component asked to connect elsewhere" in await drained
            while len(found) < len(sent):
                found.append(await next_of(again, "drain"))
            assert found == sent
            assert await asyncio.to_thread(cluster["c"].wait) == 0
            await asyncio.to_thread(cluster.settled, "a", "b")
            cluster["c"].start()
            await asyncio.to_thread(cluster.settled, "a", "b", "c")
