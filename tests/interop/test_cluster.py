"""Three gateways that act as one, with NATS between them and a Prosody outside.

The component is attached at node a, and the world finds the domains at node c: what is for the component crosses.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.request import urlopen

import pytest

from tests.interop.clients import Component, attached, user
from tests.interop.fixtures import require_installed
from tests.interop.nodes import Cluster, Nats
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import COMPONENT, HTTP
from tests.interop.test_outbox import until
from tests.interop.world import World

DOMAIN, ROOMS = "cluster.test", "rooms.cluster.test"
PING = "<ping xmlns='urn:xmpp:ping'/>"


@pytest.fixture(scope="module")
def cluster(world: World) -> Iterator[Cluster]:
    require_installed(Nats)
    with Cluster(world, DOMAIN, components={ROOMS: "secret"}) as cluster:
        yield cluster


async def test_what_comes_in_at_one_node_reaches_the_component_at_another_and_the_answers_go_out_there(
    cluster: Cluster, prosody: Peer
) -> None:
    async with attached(cluster["a"]) as rooms, user(prosody, "romeo") as romeo:
        cluster.serves(ROOMS, "a")
        romeo.send_message(f"nurse@{ROOMS}", "Peter!")  # Prosody may reorder what it has queued for a new stream
        await rooms.expect_message("Peter!")
        rooms.send_message(romeo.jid, "Anon!", sender=f"nurse@{ROOMS}/hall")
        await romeo.expect_message("Anon!")
        bodies = [f"Adieu {number}" for number in range(300)]
        for body in bodies:
            romeo.send_message(f"nurse@{ROOMS}", body)
        assert [(await rooms.expect_any_message())["body"] for _ in bodies] == bodies
        for body in bodies:
            rooms.send_message(romeo.jid, body, sender=f"nurse@{ROOMS}/hall")
        assert [(await romeo.expect_any_message())["body"] for _ in bodies] == bodies
    assert cluster["c"].ask("status")["cluster"]["counts"]["sent"] > 300
    assert cluster["c"].ask("status")["cluster"]["counts"]["returned"] == 0


async def test_requests_are_answered_both_ways_across_nodes(cluster: Cluster, prosody: Peer) -> None:
    async with attached(cluster["a"]) as rooms, user(prosody, "juliet") as juliet:
        cluster.serves(ROOMS, "a")
        answer = await juliet.request(ROOMS, PING)
        assert (answer["type"], answer["from"]) == ("result", ROOMS)
        for _ in range(20):  # they go out at a, and the answers come in where Prosody likes
            assert (await rooms.request(juliet.jid, PING))["type"] == "result"


async def test_status_peers_and_explain_of_any_node_tell_of_all(cluster: Cluster, prosody: Peer) -> None:
    async with attached(cluster["a"]) as rooms, user(prosody, "romeo") as romeo:
        cluster.serves(ROOMS, "a")
        rooms.send_message(romeo.jid, "from a")
        await romeo.expect_message("from a")
        romeo.send_message(f"nurse@{ROOMS}", "to c")
        await rooms.expect_message("to c")
        await until(lambda: all(shards(node) == 256 for node in cluster), 60)
        for node in cluster:
            figures = node.ask("status")["cluster"]
            assert [each["node"] for each in figures["nodes"]] == ["a", "b", "c"]
            assert figures["places"] == {ROOMS: ["a"]}
            assert {peer["node"] for peer in node.ask("peers") if peer["domain"] == "prosody.test"} >= {"a", "c"}
        explained = cluster["b"].ask("explain", domain="prosody.test")
        assert set(explained["nodes"]) == {"a", "c"}
        assert explained["nodes"]["c"]["attempts"]
        status = cluster["b"].operate("status")
        assert "b (this one)" in status
        assert "attached from node a" in cluster["b"].operate("explain", ROOMS)
        events = await asyncio.to_thread(page_of, cluster["b"], shows_prosody_at_two_of_three)
        assert nodes_with(events, "prosody.test") >= {"a", "c"}
        assert {each["node"]: each["state"] for each in events["nodes"]["rows"]} == dict.fromkeys("abc", "up")
        assert all(each["version"] for each in events["nodes"]["rows"])


def shards(node: Gateway) -> int:
    """Return the number of shards that have an owner, as a node sees it."""
    return sum(each["shards"] for each in node.ask("status")["cluster"]["nodes"])


def nodes_with(events: Mapping[str, Any], domain: str) -> set[str]:
    return {each["node"] for each in events["peers"]["rows"] if each["domain"] == domain}


def shows_prosody_at_two_of_three(events: Mapping[str, Any]) -> bool:
    has_answers = all(each["streams"] is not None for each in events["nodes"]["rows"])
    return has_answers and len(nodes_with(events, "prosody.test")) > 1


def page_of(node: Gateway, is_enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """Return the texts that the page of a node shows, as soon as they are enough."""
    shown: dict[str, Any] = {}
    with urlopen(f"http://{node.address}:{HTTP}/events", timeout=30) as stream:
        deadline = time.monotonic() + 60
        for line in stream:
            word, _, rest = line.decode().strip().partition(": ")
            if word == "event":
                name = rest
            elif word == "data":
                shown[name] = json.loads(rest)
            if {"peers", "nodes"} <= shown.keys() and is_enough(shown):
                break
            assert time.monotonic() < deadline, shown
    return shown


async def test_a_component_at_two_nodes_gets_the_answers_where_it_asked(cluster: Cluster, prosody: Peer) -> None:
    secret = cluster["b"].site.components[ROOMS]
    async with attached(cluster["a"]) as one, Component(ROOMS, secret, cluster["b"].at(COMPONENT)) as other:
        cluster.serves(ROOMS, "a", "b")
        async with user(prosody, "romeo") as romeo:
            for _ in range(10):
                for component in (one, other):
                    assert (await component.request(romeo.jid, PING))["type"] == "result"
