"""A component that is attached at another node: what crosses, what is kept, and how it moves."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from twisted.internet.defer import Deferred

from gateway.components.elsewhere import ElsewhereSession
from gateway.notices.notices import TakenForDelivered
from gateway.xmpp.stanzas import AddressedStanza
from tests.support.nodes import World
from tests.unit.components.test_components import ASKED
from tests.unit.components.test_kept_component import KeptComponentHarness


class NodeHarness(KeptComponentHarness):
    """A gateway that is node a; b and c are other nodes, at which the component may be."""

    def __init__(self, level: str = "waiting", connections: int = 1) -> None:
        super().__init__(level, connections=connections)
        self.nodes = World("a", "b", "c", clock=self.clock)
        self.counted = 0

    def session(self, node: str) -> ElsewhereSession:
        sessions: list[ElsewhereSession] = []
        lane = self.nodes.parties["a"].node.crossing.open(node, lambda left: self.ended(sessions[0], left))
        assert lane is not None
        sessions.append(ElsewhereSession(lane, self.count))
        return sessions[0]

    def count(self, batch: Sequence[AddressedStanza]) -> None:
        self.counted += len(batch)

    def ended(self, session: ElsewhereSession, left: list[AddressedStanza]) -> None:
        self.route.move(session, None, left)

    def at(self, node: str) -> ElsewhereSession:
        """The component is attached at another node."""
        session = self.session(node)
        assert self.route.attach_elsewhere(session)
        self.nodes.advance(0.5)
        return session

    def arrived(self, node: str) -> list[str]:
        """The ids of what has arrived at a node."""
        self.nodes.advance(0.5)
        return [raw.partition(b" id='")[2].partition(b"'")[0].decode() for _, raw in self.nodes.parties[node].arrived]


@pytest.fixture
def harness() -> NodeHarness:
    return NodeHarness()


def test_what_is_for_a_component_elsewhere_crosses_in_order(harness: NodeHarness) -> None:
    harness.at("b")
    for number in range(50):
        harness.messages(number)
        harness.nodes.advance(0.05)
    assert harness.arrived("b") == [str(number) for number in range(50)]
    assert (harness.heard(), harness.kept, harness.counted) == ([], 0, 50)


def test_a_request_that_crossed_is_not_answered_here_when_the_component_goes(harness: NodeHarness) -> None:
    session = harness.at("b")
    harness.send(ASKED.format(id="r"))
    assert harness.arrived("b") == ["r"]
    harness.route.move(session, None)
    assert harness.heard() == []


def test_what_was_kept_crosses_when_the_component_attaches_elsewhere_and_is_settled(harness: NodeHarness) -> None:
    harness.messages(1, 2)
    harness.messages(3)
    assert harness.kept == 3
    harness.at("b")
    harness.messages(4)
    assert harness.arrived("b") == ["1", "2", "3", "4"]
    harness.nodes.advance(5)
    assert harness.kept == 0
    assert harness.heard() == []


def test_what_is_not_acknowledged_stays_in_the_outbox(harness: NodeHarness) -> None:
    harness.messages(1)
    harness.nodes.parties["b"].room = Deferred()
    harness.at("b")
    assert harness.arrived("b") == ["1"]
    harness.nodes.advance(40)
    assert harness.kept == 1
    assert not [notice for notice in harness.notices if isinstance(notice, TakenForDelivered)]
    harness.nodes.kill("b")
    harness.nodes.advance(15)
    harness.at("c")
    assert (harness.arrived("c"), harness.kept) == (["1"], 0)


def test_when_the_node_dies_its_stanzas_are_kept_and_delivered_at_the_next_one(harness: NodeHarness) -> None:
    harness.nodes.parties["b"].room = Deferred()
    harness.at("b")
    harness.messages(1, 2)
    harness.messages(3)
    harness.nodes.kill("b")
    harness.nodes.advance(15)
    harness.messages(4)
    assert (harness.kept, harness.heard()) == (4, [])
    harness.at("c")
    assert harness.arrived("c") == ["1", "2", "3", "4"]


def test_what_another_node_has_taken_over_goes_nowhere_else_when_the_component_moves_at_once(
    harness: NodeHarness,
) -> None:
    harness.messages(1, 2)
    session = harness.at("b")
    assert (harness.arrived("b"), harness.kept) == (["1", "2"], 0)
    harness.route.move(session, harness.session("c"))
    session.finish()
    harness.messages(3)
    assert harness.arrived("c") == ["3"]
    assert (harness.arrived("b"), harness.kept) == (["1", "2"], 0)


@pytest.mark.parametrize("level", ["no"])
def test_without_an_outbox_each_stanza_for_a_dead_node_is_bounced_once(level: str) -> None:
    harness = NodeHarness(level)
    harness.nodes.parties["b"].room = Deferred()
    harness.at("b")
    harness.messages(1, 2)
    harness.nodes.kill("b")
    harness.nodes.advance(15)
    assert harness.heard() == ["far gets error 1 remote-server-timeout", "far gets error 2 remote-server-timeout"]


def test_one_that_attaches_here_takes_the_place_at_once(harness: NodeHarness) -> None:
    harness.at("b")
    harness.messages(1)
    harness.attached()
    harness.messages(2)
    assert harness.heard() == ["nurse is attached", "nurse gets 2"]
    assert harness.arrived("b") == ["1"]
    assert harness.route.is_attached_here


def test_a_component_that_moves_from_node_to_node_loses_nothing(harness: NodeHarness) -> None:
    session = harness.at("b")
    harness.messages(1)
    harness.nodes.advance(0.5)
    other = harness.session("c")
    harness.route.move(session, other)
    session.finish()
    harness.messages(2)
    assert (harness.arrived("b"), harness.arrived("c"), harness.heard()) == (["1"], ["2"], [])


def test_what_is_in_flight_when_a_component_moves_has_its_end_at_the_node_that_it_leaves(harness: NodeHarness) -> None:
    harness.messages(1, 2)
    room = harness.nodes.parties["b"].room = Deferred[None]()
    session = harness.at("b")
    assert harness.arrived("b") == ["1", "2"]

    def left() -> None:
        harness.route.move(session, harness.session("c"))
        session.finish()

    session.leave(left)
    harness.messages(3)
    assert (harness.arrived("b"), harness.arrived("c")) == (["1", "2"], [])
    room.callback(None)
    assert (harness.arrived("b"), harness.arrived("c"), harness.heard()) == (["1", "2"], ["3"], [])
    assert harness.kept == 0


def test_one_that_attaches_here_ends_the_lane_to_where_it_was(harness: NodeHarness) -> None:
    harness.at("b")
    harness.messages(1)
    harness.attached()
    harness.nodes.advance(0.5)
    assert harness.nodes.parties["a"].node.crossing._lanes == {}


def test_a_slow_component_elsewhere_stops_its_senders_here() -> None:
    harness = NodeHarness("no")
    harness.nodes.parties["b"].room = Deferred()
    harness.at("b")
    waits: list[Deferred[None]] = []
    for number in range(36):
        if (wait := harness.messages(number)) is not None:
            waits.append(wait)
        harness.nodes.advance(0.05)
    assert waits
    assert not waits[0].called
    room, harness.nodes.parties["b"].room = harness.nodes.parties["b"].room, None
    assert room is not None
    room.callback(None)
    assert harness.arrived("b") == [str(number) for number in range(36)]
    assert waits[0].called
    assert harness.heard() == []


# -- at several nodes at once ------------------------------------------------------------------------------------------


PEOPLE = [f"p{number}@far.test/1" for number in range(20)]


def at_two(level: str) -> tuple[NodeHarness, dict[str, list[str]]]:
    """Return a component at b and at c, and whose stanzas go to which of the two."""
    harness = NodeHarness(level, connections=2)
    for node in "bc":
        harness.at(node)
    for number, who in enumerate(PEOPLE):
        harness.messages(number, who=who)
    people = {node: [PEOPLE[int(id_)] for id_ in harness.arrived(node)] for node in "bc"}
    assert all(people.values())
    for node in "bc":
        harness.nodes.parties[node].arrived.clear()
    return harness, people


@pytest.mark.parametrize("level", ["no", "waiting", "all"])
def test_what_a_dead_node_has_not_taken_goes_to_the_other_in_order(level: str) -> None:
    harness, people = at_two(level)
    harness.nodes.kill("b")
    harness.messages(1, 2, 3, who=people["b"][0])
    harness.messages(4, who=people["c"][0])
    assert harness.arrived("c") == ["4"]
    harness.nodes.advance(15)
    assert harness.arrived("c") == ["4", "1", "2", "3"]
    assert harness.heard() == []
    harness.messages(5, who=people["b"][0])
    assert harness.arrived("c")[-1] == "5"


def test_what_is_kept_and_in_flight_to_a_node_that_is_left_is_written_again() -> None:
    harness, people = at_two("all")
    harness.nodes.parties["b"].room = Deferred()
    old = next(session for session in harness.route.sessions if session.address == "node b")
    harness.messages(1, 2, who=people["b"][0])
    harness.route.move(old, harness.session("a"))
    assert [*harness.arrived("a"), *harness.arrived("c")] == ["1", "2"]


def test_one_that_attaches_here_takes_the_place_of_both() -> None:
    harness, people = at_two("no")
    harness.attached()
    harness.heard()
    for node, whose in people.items():
        harness.messages(node, who=whose[0])  # type: ignore[arg-type]
    assert harness.heard() == ["nurse gets b", "nurse gets c"]
    assert [*harness.arrived("b"), *harness.arrived("c")] == []
    harness.nodes.advance(0.5)
    assert harness.nodes.parties["a"].node.crossing._lanes == {}


def test_there_is_no_third_place(harness: NodeHarness) -> None:
    harness.at("b")
    assert not harness.route.attach_elsewhere(harness.session("c"))
