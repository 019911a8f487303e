"""Two nodes with NATS and PostgreSQL between them: what one that is killed leaves behind, the other carries on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.clients import Component
from tests.interop.nodes import Cluster, Nats
from tests.interop.peers import NotInstalledError, Peer
from tests.interop.peers.site import COMPONENT
from tests.interop.test_outbox import until, waiting
from tests.interop.world import World
from tests.support.postgresql import Postgresql

ROOMS, BOTS = "rooms.takeover.test", "bots.takeover.test"
SECRET = "secret"
GONE_SECONDS = 60.0  # of a busy machine; 11 on a quiet one


@pytest.fixture(scope="module")
def cluster(world: World, postgresql: Postgresql) -> Iterator[Cluster]:
    try:
        Nats.check_installed()
    except NotInstalledError as problem:
        (pytest.fail if os.environ.get("XMPP_GATEWAY_INTEROP") == "require" else pytest.skip)(str(problem))
    options: dict[str, Any] = {"domains": {ROOMS: {"keep": "waiting"}}, "outbox": {"url": postgresql.url()}}
    components = {ROOMS: SECRET, BOTS: SECRET}
    with Cluster(world, "takeover.test", nodes="ab", components=components, options=options, verbose=False) as cluster:
        yield cluster


def at(node: Peer, domain: str) -> Component:
    return Component(domain, SECRET, node.at(COMPONENT))


async def test_what_a_dead_node_has_kept_is_delivered_by_another(cluster: Cluster, postgresql: Postgresql) -> None:
    bodies = [f"kept {number}" for number in range(100)]
    bots = at(cluster["a"], BOTS)
    await bots.__aenter__()
    for body in bodies:
        bots.send_message(f"hall@{ROOMS}", body)
    await until(lambda: waiting(cluster["a"]) == len(bodies))
    cluster["a"].kill()
    bots.abort()
    await until(lambda: waiting(cluster["b"]) == len(bodies), GONE_SECONDS)
    async with at(cluster["b"], ROOMS) as rooms:
        assert [(await rooms.expect_any_message())["body"] for _ in bodies] == bodies
        await until(lambda: waiting(cluster["b"]) == 0)
        with postgresql.admin() as admin:
            assert admin.execute("SELECT count(*) FROM outbox_tests_a.chunk").fetchone() == (0,)
        cluster["a"].start()
        cluster.settled("a", "b")
