"""The page of one of several nodes: it shows all of them, names them, waits for none, and stays within its bounds."""

from __future__ import annotations

import time
from functools import cache
from typing import Any

import pytest
from twisted.internet.task import Clock

from gateway.operations.http.events import _encoded
from gateway.operations.http.limits import MOST_PAGES, ROWS
from gateway.operations.http.nodes import ROUND_SECONDS
from gateway.operations.http.views import ViewQuery, Views
from gateway.operations.peers import PeerOrder
from tests.operator.crowd import Crowd, OtherGateways, views_of

PEERS = 300
MANY_NODES = 100
MOST_BYTES = 90_000  # of which a row for each of a hundred nodes has half
TIMES = 5


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    crowd = Crowd(PEERS)
    crowd.clock.stop()
    for name in crowd.fates.known:
        crowd.minutes.hour(name)
    crowd.minutes.read(0)  # the ranking is of the same hour as the rows
    return crowd


class Page:
    """The page of node-0, one of that many nodes."""

    def __init__(self, crowd: Crowd, nodes: int, silent: tuple[str, ...] = ()) -> None:
        self.clock = Clock()
        self.others = OtherGateways(nodes, silent)
        self.views: Views = views_of(crowd, self.clock, self.others)

    def look(self, query: ViewQuery = ViewQuery()) -> dict[str, Any]:
        """The second look: the first one has asked."""
        self.views.events(query)
        self.clock.advance(ROUND_SECONDS)
        return self.views.events(query)

    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["node"]: row for row in self.look()["nodes"]["rows"]}


def test_alone_nothing_is_asked_and_nothing_of_nodes_is_shown(crowd: Crowd) -> None:
    events = views_of(crowd, Clock()).events(ViewQuery())
    assert "nodes" not in events
    assert "node" not in events["peers"]["rows"][0]


def test_there_is_a_row_for_each_node_with_its_state_and_since_when(crowd: Crowd) -> None:
    rows = Page(crowd, 3).rows()
    assert list(rows) == ["node-0", "node-1", "node-2", "node-gone"]
    assert {name: row["state"] for name, row in rows.items() if name != "node-gone"} == dict.fromkeys(
        ("node-0", "node-1", "node-2"), "up"
    )
    assert rows["node-1"]["since"] == rows["node-0"]["since"] == pytest.approx(crowd.clock.now() - 90_000)
    assert rows["node-1"]["streams"] == len(crowd.connections) > 0
    assert rows["node-1"]["stanzas_in"] > 0
    assert (rows["node-1"]["kept"], rows["node-1"]["shards"], rows["node-1"]["version"]) == (5, 85, "1.0")
    assert (rows["node-gone"]["state"], rows["node-gone"]["since"]) == ("gone", crowd.clock.now() - 60)
    assert rows["node-gone"]["streams"] is None


def test_what_other_nodes_have_is_among_the_rest_and_names_its_node(crowd: Crowd) -> None:
    page = Page(crowd, 3)
    alone, events = views_of(crowd, Clock()).events(ViewQuery()), page.look()
    assert events["head"]["peer_count"] == events["peers"]["total"] == 3 * PEERS
    assert events["head"]["waiting"] == 3 * alone["head"]["waiting"] > 0
    assert sum(events["strip"]["in"]) == 3 * sum(alone["strip"]["in"])
    assert len(events["peers"]["rows"]) == ROWS
    first = [row["node"] for row in events["peers"]["rows"][:3]]
    assert first == ["node-0", "node-1", "node-2"]
    assert len({row["domain"] for row in events["peers"]["rows"][:3]}) == 1
    assert events["outbox"]["figures"]["stanzas"] == 3 * alone["outbox"]["figures"]["stanzas"]
    assert {each["node"] for each in events["failures"]["groups"]} >= {"node-0", "node-1"}
    assert {each["node"] for each in events["head"]["troubles"]} >= {"node-0", "node-1"}
    on_the_map = [each["domain"] for each in events["map"]["peers"]]
    assert len(on_the_map) == len(set(on_the_map)) == len(alone["map"]["peers"])


def test_the_page_of_a_domain_has_the_streams_of_every_node(crowd: Crowd) -> None:
    page = Page(crowd, 2)
    [row] = views_of(crowd, Clock()).events(ViewQuery(state="connected", search="silver"))["peers"]["rows"][:1]
    events = page.look(ViewQuery(view="domain", domain=row["domain"]))
    alone = views_of(crowd, Clock()).events(ViewQuery(view="domain", domain=row["domain"]))
    assert [each["node"] for each in events["streams"]["rows"]].count("node-1") == len(alone["streams"]["rows"]) > 0
    assert {each["node"] for each in events["attempts"]["records"]} == {"node-0", "node-1"}
    assert events["domain"]["peer"]["domain"] == row["domain"]


def test_our_own_domains_say_what_each_node_says_of_them(crowd: Crowd) -> None:
    rows = Page(crowd, 5).look(ViewQuery(view="ours"))["ours"]["rows"]
    assert len({row["domain"] for row in rows}) == len(rows)
    assert list(rows[0]["at"]) == ["node-0", "node-1", "node-2"]
    assert rows[0]["nodes"] == 5


@pytest.mark.parametrize("order", PeerOrder)
def test_the_pages_of_all_nodes_are_in_the_order_of_one(crowd: Crowd, order: PeerOrder) -> None:
    page = Page(crowd, 2)
    shown = [row for number in (1, 2, 3, 4) for row in page.look(ViewQuery(order=order, page=number))["peers"]["rows"]]
    assert len({(row["domain"], row["node"]) for row in shown}) == MOST_PAGES * ROWS
    alone = views_of(crowd, Clock())
    expected = [
        row["domain"] for number in (1, 2) for row in alone.events(ViewQuery(order=order, page=number))["peers"]["rows"]
    ]
    assert list(dict.fromkeys(row["domain"] for row in shown)) == expected


def test_one_node_can_be_chosen_and_then_has_all_its_pages(crowd: Crowd) -> None:
    page = Page(crowd, 2)
    alone = views_of(crowd, Clock())
    for node in ("node-0", "node-1"):
        events = page.look(ViewQuery(node=node, page=9))
        assert events["peers"]["rows"] == alone.events(ViewQuery(page=9))["peers"]["rows"]
        assert events["nodes"]["total"] == 3
    of_all = page.look(ViewQuery(page=9))["peers"]
    assert (of_all["page"], of_all["pages"], of_all["is_cut"]) == (MOST_PAGES, MOST_PAGES, True)


def test_a_node_that_does_not_answer_holds_nothing_up_and_is_shown_so_with_the_time(crowd: Crowd) -> None:
    page = Page(crowd, 4, silent=("node-2",))
    first = page.views.events(ViewQuery())
    assert first["peers"]["total"] == PEERS  # at once, before anybody has answered
    page.clock.advance(ROUND_SECONDS)
    page.others.give_up()
    events = page.views.events(ViewQuery())
    assert events["peers"]["total"] == 3 * PEERS
    rows = {row["node"]: row for row in events["nodes"]["rows"]}
    assert rows["node-2"]["state"] == "silent"
    assert rows["node-2"]["since"] == crowd.clock.now()
    assert "did not answer in time" in rows["node-2"]["problem"]
    assert rows["node-3"]["state"] == "up"
    page.others.give_up()
    page.others.silent.clear()
    page.look()
    assert page.rows()["node-2"]["state"] == "up"
    assert page.look()["peers"]["total"] == 4 * PEERS


def test_no_node_is_asked_twice_at_a_time_however_many_look(crowd: Crowd) -> None:
    page = Page(crowd, 3, silent=("node-1",))
    for _ in range(20):
        page.views.events(ViewQuery())
        page.clock.advance(ROUND_SECONDS)
    assert page.others.asked.count(("node-1", "view")) == 1
    assert page.others.asked.count(("node-1", "brief")) == 1


def test_what_was_answered_long_ago_is_not_shown_as_if_it_were_now(crowd: Crowd) -> None:
    page = Page(crowd, 2)
    assert page.look()["peers"]["total"] == 2 * PEERS
    page.others.silent.add("node-1")
    page.clock.advance(3600)
    assert page.views.events(ViewQuery())["peers"]["total"] == PEERS


def test_a_node_whose_version_does_not_know_the_question_is_shown_with_the_reason(crowd: Crowd) -> None:
    page = Page(crowd, 2)

    def unknown(words: Any) -> None:
        raise ValueError("it does not know that question")

    page.others.answers["view"] = unknown
    row = page.rows()["node-1"]
    assert (row["state"], row["streams"]) == ("up", len(crowd.connections))
    assert "does not know that question" in row["problem"]
    assert page.look()["peers"]["total"] == PEERS


def test_with_a_hundred_nodes_and_thirty_thousand_domains_the_page_stays_within_its_bounds(crowd: Crowd) -> None:
    page = Page(crowd, MANY_NODES)
    of_one = cache(lambda words: page_of_one.part(dict(words)))
    page_of_one = Page(crowd, 1).views
    page.others.answers["view"] = lambda words: of_one(tuple(words.items()))
    for query in (ViewQuery(), ViewQuery(page=MOST_PAGES, order=PeerOrder.NAME), ViewQuery(view="ours")):
        events = page.look(query)
        assert sum(len(_encoded(data)) for data in events.values()) < MOST_BYTES
        assert len(events["nodes"]["rows"]) == MANY_NODES
        assert events["nodes"]["total"] == MANY_NODES + 1
        assert len(_encoded(page_of_one.part(query.words))) < MOST_BYTES
    assert page.look()["peers"]["total"] == MANY_NODES * PEERS


def test_a_look_between_two_rounds_costs_about_what_it_costs_alone(crowd: Crowd) -> None:
    alone, page = views_of(crowd, Clock()), Page(crowd, 10)
    page.look()
    assert any(cost(page.views) < 6 * cost(alone) for _ in range(TIMES))


def cost(views: Views) -> float:
    found = []
    for _ in range(TIMES):
        views.forget()
        began = time.process_time()
        views.events(ViewQuery())
        found.append(time.process_time() - began)
    return min(found)
