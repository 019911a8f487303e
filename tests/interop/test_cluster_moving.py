"""Two nodes whose NATS takes TLS and a password alone: reloaded together, and a stream that moves between them.

The stream (XEP-0198 §5) is one of a server that is played by hand.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Iterator
from contextlib import asynccontextmanager
from typing import Any

import nats
import nats.errors
import pytest

from tests.interop.clients import attached
from tests.interop.fixtures import require_installed
from tests.interop.nodes import USER, Cluster, Nats
from tests.interop.peers import Gateway
from tests.interop.peers.site import NATS, SERVER
from tests.interop.probe import Probe, client_tls, dial
from tests.interop.world import World

ROOMS, FAR = "rooms.moving.test", "far.moving.test"
SM = "urn:xmpp:sm:3"
MESSAGE = f"<message from='romeo@{FAR}/x' to='nurse@{ROOMS}' type='chat' id='{{0}}'><body>{{0}}</body></message>"


@pytest.fixture(scope="module")
def cluster(world: World) -> Iterator[Cluster]:
    require_installed(Nats)
    with Cluster(world, "moving.test", nodes="ab", components={ROOMS: "secret"}, secured=True) as cluster:
        yield cluster


@asynccontextmanager
async def stream(world: World, node: Gateway) -> Any:
    """A stream from the other server to a node, proved by certificate."""
    tls = client_tls(world.bundle(world.authority.issue(FAR)))
    async with dial(*node.at(SERVER)) as probe:
        await probe.prove(tls, FAR, ROOMS)
        yield probe


async def answer(probe: Probe, text: str) -> Any:
    await probe.type(text)
    return await probe.element()


async def test_nats_lets_nobody_in_without_tls_or_the_password(world: World, cluster: Cluster) -> None:
    reader, writer = await asyncio.open_connection(cluster.nats.address, NATS)
    greeting = json.loads((await asyncio.wait_for(reader.readline(), 30)).removeprefix(b"INFO "))
    writer.close()
    assert (greeting["tls_required"], greeting["auth_required"]) == (True, True)
    tls = ssl.create_default_context(cafile=world.authorities)
    with pytest.raises(nats.errors.Error, match=r"(?i)authorization"):
        await nats.connect(
            f"tls://{cluster.nats.address}:{NATS}",
            tls=tls,
            user=USER,
            password="guessed",
            allow_reconnect=False,
            connect_timeout=30,
        )


def test_reload_at_one_node_reloads_all_each_from_its_own_file(cluster: Cluster) -> None:
    file = cluster["a"].configuration
    before = file.read_text()
    try:
        file.write_text(f'{before}\n[peers."never.moving.test"]\nallow = false\n')
        reloaded = cluster["b"].ask("reload")
        assert (reloaded["node"], reloaded["changed"]) == ("b", [])
        assert reloaded["nodes"]["a"]["changed"] == ["[peers] has changed"]
        file.write_text(f"{before}\n[nonsense]\n")
        assert "nothing has changed" in cluster["b"].ask("reload")["nodes"]["a"]["problem"]
    finally:
        file.write_text(before)
    assert cluster["a"].ask("reload")["nodes"]["b"]["changed"] == []


async def test_a_stream_goes_on_where_it_was_and_a_dead_node_leads_to_a_resend(world: World, cluster: Cluster) -> None:
    async with attached(cluster["a"]) as rooms:
        cluster.serves(ROOMS, "a")
        async with stream(world, cluster["a"]) as probe:
            enabled = await answer(probe, f"<enable xmlns='{SM}' resume='true'/>")
            assert enabled.tag == f"{{{SM}}}enabled"
            await probe.type(MESSAGE.format("one") + MESSAGE.format("two"))
            await rooms.expect_message("one")
            await rooms.expect_message("two")
            probe.drop()
        resume = f"<resume xmlns='{SM}' previd='{enabled.get('id')}' h='0'/>"
        async with stream(world, cluster["b"]) as probe:
            resumed = await answer(probe, resume)
            assert (resumed.tag, resumed.get("h")) == (f"{{{SM}}}resumed", "2")
            await probe.type(MESSAGE.format("three"))
            await rooms.expect_message("three")
            acknowledged = await answer(probe, f"<r xmlns='{SM}'/>")
            assert acknowledged.get("h") == "3"
            probe.drop()
        assert [str(each["body"]) for each in rooms.inbox] == [], "nothing came twice"
        async with stream(world, cluster["a"]) as probe:  # and back to the node that the id names
            resumed = await answer(probe, resume)
            assert (resumed.tag, resumed.get("h")) == (f"{{{SM}}}resumed", "3")
            probe.drop()
    cluster["a"].kill()
    async with stream(world, cluster["b"]) as probe:
        refused = await answer(probe, resume)
        assert refused.tag == f"{{{SM}}}failed"
        assert (await answer(probe, f"<enable xmlns='{SM}' resume='true'/>")).tag == f"{{{SM}}}enabled"
