"""Two nodes with NATS and PostgreSQL between them: what one that is killed leaves behind, the other carries on."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from xml.etree import ElementTree

import pytest
from slixmpp.exceptions import IqError

from gateway.cluster.shards import placement, shard_of
from tests.interop.clients import PASSWORD, Client, Component, LoginError
from tests.interop.nodes import Cluster, Nats
from tests.interop.peers import Gateway, NotInstalledError, Peer
from tests.interop.peers.site import CLIENT, COMPONENT
from tests.interop.test_announce import command, form
from tests.interop.test_outbox import until, waiting
from tests.interop.world import World
from tests.support.postgresql import Postgresql

DOMAIN = "takeover.test"
ROOMS, BOTS = "rooms.takeover.test", "bots.takeover.test"
SECRET = "secret"
GONE_SECONDS = 60.0  # of a busy machine; 11 on a quiet one


@pytest.fixture(scope="module")
def cluster(world: World, postgresql: Postgresql) -> Iterator[Cluster]:
    try:
        Nats.check_installed()
    except NotInstalledError as problem:
        (pytest.fail if os.environ.get("XMPP_GATEWAY_INTEROP") == "require" else pytest.skip)(str(problem))
    url = postgresql.url()
    options: dict[str, Any] = {
        "domains": {ROOMS: {"keep": "waiting"}, DOMAIN: {"serve": "im", "admins": [f"xmpp:{living_at('a')}"]}},
        "outbox": {"url": url},
        "storage": {"url": url},
    }
    components = {ROOMS: SECRET, BOTS: SECRET}
    with Cluster(world, DOMAIN, nodes="ab", components=components, options=options, verbose=False) as cluster:
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


class Follower(Client):
    """A client that goes where it is sent."""

    def __init__(self, jid: str, at: Peer) -> None:
        self.sent_to: list[str] = []
        super().__init__(jid, PASSWORD, at.at(CLIENT), None)
        self.xmpp.add_event_handler("session_start", lambda _: self.xmpp.send_presence())

    def _refused(self, event: str, reason: Any) -> None:
        if event == "stream_error" and reason["condition"] == "see-other-host":
            host, _, port = reason["see_other_host"].rpartition(":")
            self.sent_to.append(host)
            self.xmpp.custom_address = (host, int(port))  # slixmpp would come again to the address that it was given
        elif event != "disconnected" or not self.sent_to:
            super()._refused(event, reason)


def living_at(node: str, name: str = "romeo") -> str:
    """An address whose home is a node, as long as all are there."""
    wanted = placement(frozenset("ab"))
    addresses = (f"{name}{number}@{DOMAIN}" for number in range(1000))
    return next(each for each in addresses if wanted[shard_of(each)] == node)


async def talk(one: Client, other: Client, *, words: str) -> None:
    """Each says something to the other, and hears it."""
    for sender, receiver in ((one, other), (other, one)):
        text = f"{words} from {sender.xmpp.boundjid.user}"
        sender.send_message(receiver.xmpp.boundjid.bare, text)
        await receiver.expect_message(text)


async def test_accounts_at_two_nodes_talk_and_one_moves_when_its_home_is_killed(cluster: Cluster) -> None:
    romeo, juliet = living_at("a"), living_at("b")
    wanted = placement(frozenset("ab")).count("a")  # a was away just before
    await until(lambda: shards(cluster, "a") == wanted, GONE_SECONDS)
    for account in (romeo, juliet):
        cluster["b"].register(account, PASSWORD)
    async with Follower(juliet, cluster["b"]) as hers:
        his = Follower(romeo, cluster["b"])
        await his.__aenter__()
        assert (his.sent_to, hers.sent_to) == ([cluster["a"].address], [])
        await talk(his, hers, words="hello")
        announced = cluster["b"].ask("announce", text="We stop at ten", everybody="")
        at = {node: each["accounts"] for node, each in announced["nodes"].items()}
        assert (announced["accounts"], at) == (2, {"a": 1, "b": 1})
        for each in (his, hers):
            await each.expect_message("We stop at ten")
        await his.request(DOMAIN, command("announce", form("Tonight", "At eleven, rather")), "set")
        for each in (his, hers):
            await each.expect_message("At eleven, rather")
        cluster["a"].kill()
        his.abort()
        hers.send_message(romeo, "art thou gone so?")
        await until(lambda: shards(cluster, "b") == 256, GONE_SECONDS)
        async with Follower(romeo, cluster["b"]) as again:
            assert again.sent_to == []
            await again.expect_message("art thou gone so?")
            await talk(again, hers, words="again")
            again.take_all()
            cluster["a"].start()
            await until(lambda: again.sent_to == [cluster["a"].address], GONE_SECONDS)  # its home is as it was
            await again.expect_presence("available", romeo)
            await talk(again, hers, words="home")
        assert not [each for each in hers.inbox if each["type"] == "error"]


@asynccontextmanager
async def two_people(cluster: Cluster, name: str) -> AsyncIterator[tuple[Follower, Follower]]:
    """Two people who live at the nodes a and b, and have talked."""
    at_home = Counter(placement(frozenset("ab")))
    await until(lambda: all(shards(cluster, node) == at_home[node] for node in "ab"), GONE_SECONDS)
    his, hers = living_at("a", name), living_at("b", name)
    for account in (his, hers):
        cluster["b"].register(account, PASSWORD)
    async with Follower(his, cluster["a"]) as one, Follower(hers, cluster["b"]) as other:
        assert (one.sent_to, other.sent_to) == ([], [])
        await talk(one, other, words="hello")
        yield one, other


async def told_to_wait(person: Client, id_: str) -> bool:
    """Return whether the answer to this is an error that invites to try again."""
    error = (await person.expect(lambda stanza: stanza["id"] == id_ and stanza["type"] == "error"))["error"]
    return (error["condition"], error["type"]) == ("resource-constraint", "wait")


async def passes_within_a_node(cluster: Cluster, bots: Component, rooms: Component, text: str) -> None:
    bots.send_message(f"hall@{ROOMS}", text)
    await rooms.expect_message(text)


async def test_while_nats_is_away_accounts_wait_and_nothing_changes_hands(cluster: Cluster) -> None:
    async with (
        two_people(cluster, "paris") as (his, hers),
        at(cluster["a"], BOTS) as bots,
        at(cluster["a"], ROOMS) as rooms,
    ):
        cluster.serves(ROOMS, "a")
        hers_bare = hers.xmpp.boundjid.bare
        cluster.nats.stop()
        try:
            his.send_message(hers_bare, "patience")
            await passes_within_a_node(cluster, bots, rooms, "as ever")
            await until(
                lambda: all(node.ask("status")["cluster"]["life"] == "cut off" for node in cluster), GONE_SECONDS
            )
            assert await told_to_wait(his, his.send_message(hers_bare, "refused"))
            with pytest.raises(LoginError, match="temporary-auth-failure"):
                await Client(his.xmpp.boundjid.bare, PASSWORD, cluster["a"].at(CLIENT), None).__aenter__()
            await passes_within_a_node(cluster, bots, rooms, "still")
        finally:
            cluster.nats.start()
        await asyncio.to_thread(cluster.settled, "a", "b")
        await until(lambda: shards(cluster, "a") + shards(cluster, "b") == 256, GONE_SECONDS)
        await hers.expect_message("patience", GONE_SECONDS)
        await talk(his, hers, words="again")
        assert (his.sent_to, hers.sent_to) == ([], []), "both are where they were"
        assert not [each for each in (*his.inbox, *hers.inbox) if each.name == "message"]


async def test_while_postgresql_is_away_what_needs_it_waits_and_is_answered(
    cluster: Cluster, postgresql: Postgresql
) -> None:
    async with (
        two_people(cluster, "tybalt") as (his, hers),
        at(cluster["a"], BOTS) as bots,
        at(cluster["a"], ROOMS) as rooms,
    ):
        cluster.serves(ROOMS, "a")
        postgresql.stop()
        try:
            card = his.xmpp.make_iq_get(ito=his.xmpp.boundjid.bare)
            card.append(ElementTree.fromstring("<vCard xmlns='vcard-temp'/>"))
            asked = asyncio.ensure_future(card.send(timeout=GONE_SECONDS))
            await passes_within_a_node(cluster, bots, rooms, "as ever")
            await talk(his, hers, words="meanwhile")
            with pytest.raises(IqError) as refused:
                await asked
            assert (refused.value.condition, refused.value.iq["error"]["type"]) == ("internal-server-error", "wait")
            assert [each["live"] for each in cluster["a"].ask("status")["cluster"]["nodes"]] == [True, True]
        finally:
            postgresql.start()
        await until(lambda: "away" not in troubles(cluster["a"]), GONE_SECONDS)
        assert (await his.request(his.xmpp.boundjid.bare, "<vCard xmlns='vcard-temp'/>"))["type"] == "result"
        await talk(his, hers, words="again")
        assert (his.sent_to, hers.sent_to) == ([], [])


def troubles(node: Gateway) -> list[str]:
    return [each["subject"] for each in node.ask("status")["troubles"]]


def shards(cluster: Cluster, name: str) -> int:
    """Return the number of shards that a node says it has."""
    nodes = cluster[name].ask("status")["cluster"]["nodes"]
    return next(int(each["shards"]) for each in nodes if each["node"] == name)
