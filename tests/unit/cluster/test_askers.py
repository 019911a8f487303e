"""The answer to a request reaches the node that asked, and nobody else."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from gateway.cluster.askers import (
    MOST_ANSWER_BYTES,
    MOST_ID,
    MOST_SOUGHT,
    MOST_SOUGHT_EACH,
    AnswersLane,
    ClusterQuestions,
)
from gateway.cluster.lanes import MOST_GATHERED, WINDOW, WINDOW_STANZAS
from gateway.routing.requests import RequestKey
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.stanzas import AddressedStanza
from tests.support.nodes import World, stanza


def iq(type_: str, *, from_: str, to: str, id_: str = "1") -> AddressedStanza:
    raw = f"<iq from='{from_}' to='{to}' type='{type_}' id='{id_}'/>".encode()
    return AddressedStanza("iq", raw, Address.parse(to), Address.parse(from_), type_, id_)


class Others:
    """Nodes b and b-1, and this one; rooms.test is served here and there."""

    def __init__(self) -> None:
        self.handed: list[tuple[str, str | None]] = []
        self.kept: list[str | None] = []
        self.open_here = False
        self.seeking: list[tuple[RequestKey, Deferred[str]]] = []
        self.questions = ClusterQuestions(
            self, lambda answer: self.open_here, lambda answer: self.kept.append(answer.id)
        )

    def names(self) -> list[str]:
        return ["b", "b-1"]

    def hand_over(self, node: str, answer: AddressedStanza) -> None:
        self.handed.append((node, answer.id))

    def seek(self, key: RequestKey) -> Deferred[str]:
        self.seeking.append((key, Deferred()))
        return self.seeking[-1][1]

    def may_have_asked(self, domain: Domain) -> bool:
        return domain == "rooms.test"


@pytest.fixture
def others() -> Others:
    return Others()


@pytest.mark.parametrize(
    ("resource", "node"), [("xg.b.-7", "b"), ("xg.b-1.-7", "b-1"), ("xg.b.-7-2", "b"), ("xg.c.-7", None), ("xg", None)]
)
def test_the_answer_to_a_gateways_own_question_goes_to_the_node_in_its_resource(
    others: Others, resource: str, node: str | None
) -> None:
    answer = iq("result", from_="far.test", to=f"echo.test/{resource}")
    assert others.questions.take(answer) is (node is not None)
    assert others.handed == ([(node, "1")] if node else [])


def test_our_own_question_is_answered_here(others: Others) -> None:
    heard: list[str | None] = []
    others.questions.ask(iq("get", from_="rooms.test/xg.a.-1", to="far.test"), lambda answer: heard.append(answer.id))
    assert others.questions.take(iq("result", from_="far.test", to="rooms.test/xg.a.-1"))
    assert (heard, others.handed) == (["1"], [])


def test_the_answer_to_a_request_that_crossed_goes_back_once(others: Others) -> None:
    others.questions.crossed("b", iq("get", from_="x@rooms.test", to="y@bots.test"))
    assert others.questions.take(iq("result", from_="y@bots.test", to="x@rooms.test"))
    assert others.handed == [("b", "1")]
    others.open_here = True
    assert not others.questions.take(iq("result", from_="y@bots.test", to="x@rooms.test"))


def test_an_answer_that_nobody_here_asked_for_is_sought_elsewhere(others: Others) -> None:
    assert others.questions.take(iq("result", from_="far.test", to="x@rooms.test", id_="7"))
    key, found = others.seeking.pop()
    assert key == ("x@rooms.test", "far.test", "7")
    found.callback("b")
    assert (others.handed, others.kept) == ([("b", "7")], [])


@pytest.mark.parametrize("outcome", ["", RuntimeError("no answer")])
def test_an_answer_that_nobody_asked_for_is_delivered_here(others: Others, outcome: str | Exception) -> None:
    assert others.questions.take(iq("error", from_="far.test", to="x@rooms.test", id_="8"))
    _, found = others.seeking.pop()
    found.callback(outcome) if isinstance(outcome, str) else found.errback(outcome)
    assert (others.handed, others.kept) == ([], ["8"])


def test_what_is_open_here_or_served_only_here_is_not_sought(others: Others) -> None:
    assert not others.questions.take(iq("result", from_="far.test", to="only.here.test"))
    others.open_here = True
    assert not others.questions.take(iq("result", from_="far.test", to="x@rooms.test"))
    assert others.seeking == []


def test_strangers_cannot_make_the_nodes_ask_each_other_without_bound(others: Others) -> None:
    for family in range(20):
        for number in range(50):
            others.questions.take(iq("result", from_=f"x{number}.far{family}.test", to="x@rooms.test", id_=str(number)))
        assert len(others.seeking) - len(others.kept) == min(MOST_SOUGHT_EACH * (family + 1), MOST_SOUGHT)
    assert len(others.kept) <= MOST_SOUGHT, "a share is taken from those who have more, not again and again"


def test_strangers_who_fill_all_places_do_not_keep_a_neighbour_out(others: Others) -> None:
    """Ten domains with ten answers each fill the table; the one with the most makes room for another domain."""
    for family in range(10):
        for number in range(MOST_SOUGHT_EACH):
            id_ = f"{family}-{number}"
            assert others.questions.take(iq("result", from_=f"far{family}.test", to="x@rooms.test", id_=id_))
    assert others.questions.take(iq("result", from_="honest.test", to="x@rooms.test", id_="honest"))
    assert others.kept == ["0-0"], "the oldest of a domain with many is delivered here"
    others.seeking[0][1].callback("b")
    assert others.handed == [], "and only once"
    others.seeking[-1][1].callback("b")
    assert others.handed == [("b", "honest")]


def test_nobody_is_asked_about_a_very_long_id(others: Others) -> None:
    assert not others.questions.take(iq("result", from_="far.test", to="x@rooms.test", id_="x" * (MOST_ID + 1)))
    assert others.seeking == []


def test_answers_wait_for_room_in_bounds_and_with_shares() -> None:
    world = World("a", "b")
    b = world.parties["b"]
    b.room = Deferred()
    answers = AnswersLane(world.parties["a"].lane_to("b"))
    for _ in range(WINDOW):
        answers.send(stanza("first", from_="far.test"))
    for number in range(300):
        answers.send(stanza("y" * 100_000, from_=f"x{number}.flood.test"))
        if number == 0:
            answers.send(stanza("small", from_="quiet.test"))
    assert answers.size <= MOST_ANSWER_BYTES
    world.advance(1)
    wait, b.room = b.room, None
    wait.callback(None)
    world.until(lambda: not len(answers))
    world.advance(1)
    assert "small" in b.bodies
    assert b.bodies[:WINDOW] == ["first"] * WINDOW
    on_the_way = WINDOW + MOST_GATHERED // 100_000 + 1
    assert len(b.bodies) <= WINDOW + on_the_way + MOST_ANSWER_BYTES // 100_000


def test_what_waits_for_a_node_that_is_gone_is_dropped() -> None:
    world = World("a", "b")
    world.parties["b"].room = Deferred()
    crossing = world.parties["a"].node.crossing
    lane = crossing.open("b", lambda left: answers.end())
    assert lane is not None
    answers = AnswersLane(lane)
    for _ in range(2 * WINDOW_STANZAS):
        answers.send(stanza("answer"))
    assert len(answers)
    world.kill("b")
    world.until(lambda: not crossing.waiting)
    assert not len(answers)
