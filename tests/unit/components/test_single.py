"""A service that runs at one node of a cluster: started where its shard is, stopped before it is released."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from zope.interface import implementer

from gateway.components.elsewhere import ElsewhereSession
from gateway.components.single import AGAIN_SECONDS, SingleService
from gateway.handlers.route import HandlerRoute
from gateway.notices.notices import Remark
from gateway.routing.interfaces import Handled, IService
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza
from tests.unit.components.test_components import DOMAIN
from tests.unit.components.test_elsewhere import NodeHarness
from tests.unit.components.test_kept_component import ASKED, ROMEO

SAID = "<message from='nurse.test' to='romeo@far.test/a' id='{id}'><body>Peter!</body></message>"


@implementer(IService)
class Nurse:
    """Records its calls; its start and stop end when the test says so, and it sends when the test says so."""

    def __init__(self, log: list[str]) -> None:
        self._log = log
        self.starting: Deferred[None] | None = None
        self.stopping: Deferred[None] | None = None
        self.fails = False
        self.context: Any = None

    def start(self, context: Any) -> Deferred[None] | None:
        if self.fails:
            raise OSError("the port is taken")
        self.context = context
        self._log.append("starts")
        return self.starting

    def stop(self) -> Deferred[None] | None:
        self._log.append("stops")
        return self.stopping

    def handle(self, stanza: Stanza) -> Handled:
        self._log.append(f"nurse gets {stanza.id}")
        return Handled()


class SingleHarness(NodeHarness):
    """A gateway that is node a of three; the service of the domain runs at one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.nurse = Nurse(self.log)
        self.handlers = HandlerRoute(DOMAIN, [self.nurse], self.router, self.notices.append, self.clock)
        self.single = SingleService(DOMAIN, self.route, self.handlers, self.router, self.clock, self.notices.append)


@pytest.fixture
def harness() -> SingleHarness:
    return SingleHarness()


def runs_here(harness: SingleHarness) -> None:
    harness.single.start()
    harness.single.own(True)
    assert harness.heard() == ["starts"]


def test_it_starts_when_the_gateway_is_ready_and_the_shard_is_ours(harness: SingleHarness) -> None:
    harness.single.own(True)
    assert harness.heard() == []
    harness.single.start()
    assert harness.heard() == ["starts"]
    assert harness.route.is_attached_here
    harness.messages(1)
    assert harness.heard() == ["nurse gets 1"]


def test_what_comes_while_nobody_runs_it_waits_or_is_answered(harness: SingleHarness) -> None:
    harness.single.start()
    harness.messages(1)
    harness.send(ASKED.format(id=2, who=ROMEO))
    assert harness.heard() == ["far gets error 2 remote-server-timeout"]
    harness.single.own(True)
    harness.messages(3)
    assert harness.heard() == ["starts", "nurse gets 1", "nurse gets 3"]
    harness.passes(5)
    assert harness.kept == 0


def test_the_shard_is_released_when_the_service_has_stopped(harness: SingleHarness) -> None:
    runs_here(harness)
    harness.nurse.stopping = Deferred()
    released: list[None] = []
    wait = harness.single.own(False)
    assert wait is not None
    wait.addCallback(released.append)
    assert (harness.heard(), harness.route.is_attached, released) == (["stops"], False, [])
    harness.nurse.stopping.callback(None)
    assert released == [None]
    harness.messages(1)
    assert harness.arrived("b") == []
    harness.at("b")
    assert harness.arrived("b") == ["1"]


def test_what_it_has_handled_is_not_handled_at_another_node_again(harness: SingleHarness) -> None:
    harness.single.start()
    harness.messages(1)
    harness.single.own(True)
    assert harness.heard() == ["starts", "nurse gets 1"]
    harness.single.own(False)
    harness.at("b")
    harness.messages(2)
    assert harness.arrived("b") == ["2"]


def test_it_takes_the_place_of_one_elsewhere(harness: SingleHarness) -> None:
    session: ElsewhereSession = harness.at("b")
    runs_here(harness)
    assert session not in harness.route.sessions
    harness.messages(1)
    assert harness.heard() == ["nurse gets 1"]


def test_a_start_that_is_overtaken_by_the_loss_of_the_shard_is_cancelled(harness: SingleHarness) -> None:
    harness.nurse.starting = Deferred()
    harness.single.start()
    harness.single.own(True)
    wait = harness.single.own(False)
    harness.passes(0)
    assert wait is None or wait.called
    assert not harness.route.is_attached
    assert not harness.handlers.is_running
    harness.nurse.starting = None
    harness.single.own(True)
    assert harness.route.is_attached_here


def test_a_start_that_fails_is_told_and_tried_again(harness: SingleHarness) -> None:
    harness.nurse.fails = True
    harness.single.start()
    harness.single.own(True)
    assert "the port is taken; this node tries again in 30 s" in next(
        notice.text for notice in harness.notices if isinstance(notice, Remark)
    )
    harness.nurse.fails = False
    harness.passes(AGAIN_SECONDS)
    assert harness.route.is_attached_here


def test_without_the_lease_it_says_nothing_of_its_own_accord(harness: SingleHarness) -> None:
    holds = [True]
    harness.single.let_send(lambda: holds[0])
    runs_here(harness)
    harness.nurse.context.send(stanza(SAID.format(id=1)))
    holds[0] = False
    harness.nurse.context.send(stanza(SAID.format(id=2)))
    assert harness.heard() == ["far gets message 1"]
