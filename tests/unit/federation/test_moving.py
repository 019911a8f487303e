"""A stream that is resumed at another node than the one that has it: what moves is how much was handled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail

from gateway.features.stream_management import (
    Acknowledged,
    AcknowledgementRequested,
    GrantManagement,
    ManagementGranted,
    ResumeStream,
    ResumptionDecided,
)
from gateway.federation.moving import MovingStreams
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import GatewayError
from tests.unit.federation.test_managed_sessions import (
    BACK,
    BOTH_WAYS,
    THEIRS,
    ManagedHarness,
    a,
    ids,
    message,
)


class MovingNode(ManagedHarness):
    """One node, with streams from another server."""

    def __init__(self, name: str, nodes: dict[str, MovingNode]) -> None:
        super().__init__()
        self.nodes = nodes
        self.asked: list[str] = []
        self.moving = MovingStreams(
            name, self.resumable_streams, self.broken, lambda: self.keeping, self.ask, lambda: "mantua"
        )
        self.name = name
        self.resumable_streams.new_id, self.resumable_streams.seek = self.moving.new_id, self.moving.seek
        nodes[name] = self

    def ask(self, node: str, question: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        self.asked.append(node)
        if node not in self.nodes:
            return fail(GatewayError(f"node {node} did not answer in time"))
        return self.nodes[node].moving.asked(self.name, question)

    def resumes(self, id_: str, h: int = 0, facts: Any = THEIRS) -> Any:
        session, line = self.theirs(facts)
        line.happens(ResumeStream(id=id_, h=h))
        return session, line


@pytest.fixture
def nodes() -> dict[str, MovingNode]:
    found: dict[str, MovingNode] = {}
    for name in "abc":
        MovingNode(name, found)
    return found


def granted(node: MovingNode, facts: Any = THEIRS) -> Any:
    session, line = node.theirs(facts)
    line.happens(GrantManagement(resumable=True))
    (grant,) = [each for each in line.log if isinstance(each, ManagementGranted)]
    assert grant.id == f"{node.name}.mantua"
    return session, line


def test_a_stream_is_resumed_at_another_node_and_goes_on_counting(nodes: dict[str, MovingNode]) -> None:
    session, first = granted(nodes["a"])
    session.stanzas_received([message(1, BACK), message(2, BACK)])
    first.lost("cut")
    later, line = nodes["b"].resumes("a.mantua")
    assert line.log == [ResumptionDecided(id="a.mantua", resumed=True, h=2)]
    later.stanzas_received([message(3, BACK)])
    line.happens(AcknowledgementRequested())
    assert line.log[1:] == [a(3)]
    assert (len(nodes["a"].resumable_streams), len(nodes["b"].resumable_streams)) == (0, 1)


def test_no_stanza_is_handled_on_the_old_connection_once_it_has_moved(nodes: dict[str, MovingNode]) -> None:
    session, old = granted(nodes["a"])
    session.stanzas_received([message(1, BACK)])
    _, line = nodes["b"].resumes("a.mantua")
    session.stanzas_received([message(2, BACK)])
    assert old.log[1:] == ["close conflict"]
    assert line.log == [ResumptionDecided(id="a.mantua", resumed=True, h=1)]
    assert ids(nodes["a"].neighbours.inside.got) == "1"


def test_what_is_being_kept_at_the_old_node_counts(nodes: dict[str, MovingNode]) -> None:
    session, first = granted(nodes["a"])
    nodes["a"].keeping = first_write = Deferred()
    session.stanzas_received([message(1, BACK)])
    first.lost("cut")
    second: Deferred[None] = Deferred()
    nodes["a"].keeping = second
    _, line = nodes["b"].resumes("a.mantua")
    assert line.log == []
    first_write.callback(None)
    second.callback(None)
    assert line.log == [ResumptionDecided(id="a.mantua", resumed=True, h=1)]


def test_and_nothing_is_handled_there_while_that_is_waited_for(nodes: dict[str, MovingNode]) -> None:
    session, _ = granted(nodes["a"])
    nodes["a"].keeping = keeping = Deferred()
    session.stanzas_received([message(1, BACK)])
    _, line = nodes["b"].resumes("a.mantua")
    session.stanzas_received([message(2, BACK)])
    keeping.callback(None)
    assert line.log == [ResumptionDecided(id="a.mantua", resumed=True, h=1)]
    assert ids(nodes["a"].neighbours.inside.got) == "1"


def test_the_old_node_sends_again_what_the_other_server_has_not_got(nodes: dict[str, MovingNode]) -> None:
    session, first = granted(nodes["a"], BOTH_WAYS)
    nodes["a"].uses(session)
    session.send([message(1), message(2)])
    first.lost("cut")
    assert nodes["a"].heard == ["ended resuming"]
    later, line = nodes["b"].resumes("a.mantua", h=1, facts=BOTH_WAYS)
    assert nodes["a"].heard == ["ended resuming", "back 2"]
    assert len(nodes["a"].broken) == 0
    nodes["b"].uses(later)
    later.send([message(3)])
    line.happens(Acknowledged(h=2))
    assert "close" not in " ".join(map(str, line.log))


def test_one_that_has_moved_twice_is_found(nodes: dict[str, MovingNode]) -> None:
    session, first = granted(nodes["a"])
    session.stanzas_received([message(1, BACK)])
    first.lost("cut")
    _, second = nodes["b"].resumes("a.mantua")
    second.lost("cut")
    _, third = nodes["c"].resumes("a.mantua")
    assert third.log == [ResumptionDecided(id="a.mantua", resumed=True, h=1)]
    third.lost("cut")
    _, home = nodes["a"].resumes("a.mantua")
    assert home.log == [ResumptionDecided(id="a.mantua", resumed=True, h=1)]
    assert [len(node.resumable_streams) for node in nodes.values()] == [1, 0, 0]


@pytest.mark.parametrize("id_", ["gone.mantua", "b.mantua", "a.other", "mantua", "", "."])
def test_one_that_nobody_has_is_refused(nodes: dict[str, MovingNode], id_: str) -> None:
    granted(nodes["a"])
    _, line = nodes["b"].resumes(id_)
    assert line.log == [ResumptionDecided(id=id_, resumed=False)]


def test_one_of_another_pair_is_not_given_up(nodes: dict[str, MovingNode]) -> None:
    granted(nodes["a"])
    other = DomainPair(Domain("other.test"), BACK.target)
    question = {"what": "resume", "id": "a.mantua", "from": other.sender, "to": other.target, "h": 0}
    answers: list[Any] = []
    nodes["a"].moving.asked("b", question).addCallback(answers.append)
    assert answers == [{}]
    assert len(nodes["a"].resumable_streams) == 1


def test_one_whose_new_connection_is_gone_by_then_can_be_resumed_again(nodes: dict[str, MovingNode]) -> None:
    session, first = granted(nodes["a"])
    session.stanzas_received([message(1, BACK)])
    first.lost("cut")
    keeping: Deferred[None] = Deferred()
    nodes["a"].keeping = keeping
    _, line = nodes["b"].resumes("a.mantua")
    line.lost("cut")
    keeping.callback(None)
    _, again = nodes["b"].resumes("a.mantua")
    assert again.log == [ResumptionDecided(id="a.mantua", resumed=True, h=1)]
