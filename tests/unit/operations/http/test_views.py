"""What the page is given: numbers of everything, rows of a page, bounded, harmless, and cheap at three thousand."""

from __future__ import annotations

import time
from typing import Any

import pytest
from twisted.internet.task import Clock

from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import SentAgain
from gateway.operations.http.events import _encoded
from gateway.operations.http.limits import MOST_OUTBOX_EVENTS, ON_THE_MAP, ROWS
from gateway.operations.http.views import ViewQuery, Views
from gateway.operations.peers import PeerOrder
from tests.operator.crowd import Crowd, PeerKind, views_of

MOST_BYTES = 20_000
TIMES, TRIES = 2, 4
FEW, MANY = 300, 3000


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    crowd = Crowd(FEW)
    crowd.clock.stop()
    return crowd


@pytest.fixture
def views(crowd: Crowd) -> Views:
    return views_of(crowd, Clock())


def test_numbers_are_of_everything_however_few_rows_are_shown(views: Views, crowd: Crowd) -> None:
    events = views.events(ViewQuery())
    assert events["head"]["peer_count"] == FEW == sum(events["head"]["peers"].values())
    assert (events["peers"]["total"], len(events["peers"]["rows"])) == (FEW, ROWS)
    failing = views.events(ViewQuery(state="failing"))["peers"]
    assert failing["total"] == events["head"]["peers"]["failing"] > 0
    assert events["head"]["waiting"] == sum(route.queued for route in crowd.routes.values()) > 0


def test_every_domain_is_on_some_page_and_on_one_alone(views: Views) -> None:
    pages = [views.events(ViewQuery(page=number))["peers"] for number in range(1, FEW // ROWS + 1)]
    names = [row["domain"] for page in pages for row in page["rows"]]
    assert len(names) == len(set(names)) == FEW


def test_no_peer_looks_proved_by_a_certificate_that_proves_nothing(views: Views) -> None:
    rows = [row for page in range(1, 13) for row in views.events(ViewQuery(page=page))["peers"]["rows"]]
    faulty = [row for row in rows if row["certificate_fault"]]
    assert {row["they_to_us"] for row in faulty} == {"address"}
    assert len(faulty) >= 4


def test_the_map_has_the_worst_and_the_busiest_and_says_how_many_more(views: Views) -> None:
    drawn = views.events(ViewQuery())["map"]
    assert (len(drawn["peers"]), drawn["more"]) == (ON_THE_MAP, FEW - ON_THE_MAP)
    assert {each["state"] for each in drawn["peers"]} >= {"failing", "connected"}


def test_failures_are_grouped_by_domain(views: Views) -> None:
    groups = views.events(ViewQuery())["failures"]["groups"]
    names = [group["domain"] for group in groups]
    assert len(names) == len(set(names))
    assert any(group["count"] > 1 and group["first"] < group["last"] for group in groups)


def test_what_waits_on_the_disk_and_what_filters_hold_are_numbers_and_the_latest_events_are_told() -> None:
    crowd = Crowd(1)
    for number in range(9):
        crowd.publish(SentAgain(domain=f"{number}.far.test", count=number))
    outbox = views_of(crowd, Clock()).events(ViewQuery())["outbox"]
    figures = outbox["figures"]
    assert (figures["stanzas"], figures["condition"]) == (5, "ready")
    assert 3600 <= figures["oldest_seconds"] < 3700
    assert (figures["counts"]["kept"], figures["counts"]["delivered"]) == (12, 7)
    assert outbox["withheld"] == 3
    assert [(each["name"], each["entries"], each["state"]) for each in outbox["lists"]] == [("spammers", 3, "ready")]
    assert len(outbox["events"]) == MOST_OUTBOX_EVENTS
    assert "8.far.test" in outbox["events"][0]["sentence"]


def test_a_domain_has_its_state_rules_streams_routes_and_attempts(views: Views) -> None:
    name = views.events(ViewQuery(state="failing"))["peers"]["rows"][0]["domain"]
    events = views.events(ViewQuery(view="domain", domain=name.upper()))
    assert events["domain"]["peer"]["state"] == "failing"
    assert "dialback" in events["domain"]["rules"]["authenticate"]
    assert events["queues"][0]["stanzas"] > 0
    assert events["attempts"]["records"][0]["failed"]


def test_what_is_not_a_domain_is_a_sentence(views: Views) -> None:
    assert views.events(ViewQuery(view="domain", domain="not a domain"))["domain"]["problem"]


def test_our_own_domains_come_with_their_certificates_the_worst_first(views: Views) -> None:
    rows = views.events(ViewQuery(view="ours"))["ours"]["rows"]
    assert not rows[0]["up"]
    assert rows[1]["days_left"] < 14


@pytest.mark.parametrize(
    ("words", "query"),
    [
        ({}, ViewQuery()),
        ({"view": "nothing", "page": "-1", "state": "odd", "order": "odd"}, ViewQuery()),
        ({"page": "9" * 50, "range": "week"}, ViewQuery()),
        ({"page": "²"}, ViewQuery()),
        (
            {"search": " Far.Test ", "page": "3", "order": "name"},
            ViewQuery(search="far.test", page=3, order=PeerOrder.NAME),
        ),
        ({"search": "x" * 5000}, ViewQuery(search="x" * 100)),
    ],
)
def test_an_address_that_makes_no_sense_is_an_address_all_the_same(words: dict[str, str], query: ViewQuery) -> None:
    assert ViewQuery.read(words) == query


def test_h_42_words_of_peers_are_harmless_and_bounded() -> None:
    crowd = Crowd(1)
    evil = PeerKind(1, fails=Verdict.CLOSED_BY_PEER, reason="\u202egnorw \x1b[31m" + "x" * 100_000)
    for number in range(40):
        crowd.come(f"evil{number}.test", evil)
    views = views_of(crowd, Clock())
    for query in (ViewQuery(), ViewQuery(view="domain", domain="evil1.test")):
        text = _encoded(views.events(query)).decode()
        assert "\\u202e" not in text.replace("\\\\u202e", "")
        assert "\\u001b" not in text
        assert len(text) < MOST_BYTES


def cost(views: Views, query: ViewQuery) -> float:
    """The least time of several updates, in seconds of this process; what lasts some seconds is read before."""
    views.events(query)
    found = []
    for _ in range(TIMES):
        views.forget()
        began = time.process_time()
        views.events(query)
        found.append(time.process_time() - began)
    return min(found)


@pytest.mark.busy("compares processor times")
def test_at_three_thousand_domains_an_update_is_small_and_costs_little_more_than_at_three_hundred(
    views: Views,
) -> None:
    large = views_of(Crowd(MANY), Clock())
    for query in (ViewQuery(), ViewQuery(search="heron"), ViewQuery(order=PeerOrder.NAME, page=50)):
        assert sum(len(_encoded(data)) for data in large.events(query).values()) < MOST_BYTES
    # Ten times as many domains.
    assert any(cost(large, ViewQuery()) < 4 * cost(views, ViewQuery()) for _ in range(TRIES))


def every_text(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in every_text(each)]
    if isinstance(value, list):
        return [text for each in value for text in every_text(each)]
    return [value] if isinstance(value, str) else []


def test_an_update_is_the_same_when_nothing_has_happened_and_no_time_has_passed(views: Views) -> None:
    before, after = views.events(ViewQuery()), views.events(ViewQuery())
    assert [name for name in before if before[name] != after[name]] == []
    assert all(len(text) <= 1100 for text in every_text(before))
