"""A component that comes while the outbox fails, or is slow to say what it has: nothing waits for a later stanza."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from gateway.outbox.conditions import Condition
from gateway.outbox.errors import OutboxUnavailable
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import DomainState, OutboxLimits
from gateway.xmpp.addresses import Domain
from tests.unit.components.test_kept_component import FAR as PAIR
from tests.unit.components.test_kept_component import JULIET, NEAR, KeptComponentHarness


class TroubledOutbox(MemoryOutbox):
    """An outbox that answers when the test says so, and keeps nothing once it fails."""

    def __init__(self) -> None:
        super().__init__(limits=OutboxLimits())
        self.putting: list[Any] = []
        self.looking: list[Deferred[DomainState]] = []
        self.fails = False

    def put_for(self, putter: Any, *args: Any, **how: Any) -> None:
        if self.fails:
            self.putting.append(putter)
        else:
            super().put_for(putter, *args, **how)

    def state(self, domain: Domain) -> Deferred[DomainState]:  # type: ignore[override]
        answer: Deferred[DomainState] = Deferred()
        self.looking.append(answer)
        return answer

    def give_up(self) -> None:
        """Refuse whatever was put since it fails."""
        putting, self.putting = self.putting, []
        for putter in putting:
            putter.not_kept(OutboxUnavailable(Condition.IO_ERROR))


@pytest.fixture
def outbox() -> TroubledOutbox:
    return TroubledOutbox()


def waiting(outbox: TroubledOutbox, connections: int = 1) -> KeptComponentHarness:
    """A component for which somebody else's stanza is kept."""
    harness = KeptComponentHarness(outbox=outbox, connections=connections)
    harness.messages(0, who=JULIET)
    outbox.fails = True
    return harness


@pytest.mark.parametrize("connections", [1, 2])
def test_what_is_not_kept_while_it_attaches_is_written_at_once(outbox: TroubledOutbox, connections: int) -> None:
    harness = waiting(outbox, connections)
    harness.messages(1, 2)
    harness.attached()
    assert harness.heard() == ["nurse is attached"]
    outbox.give_up()
    assert harness.heard() == ["nurse gets 1 2"], "no other stanza has to come first"


def test_what_is_not_kept_for_one_that_went_meanwhile_comes_back(outbox: TroubledOutbox) -> None:
    harness = waiting(outbox)
    harness.messages(1)
    outbox.give_up()
    assert harness.heard() == ["far gets error 1 remote-server-timeout"]


def test_an_outbox_that_cannot_say_what_it_has_holds_nothing_up(outbox: TroubledOutbox) -> None:
    outbox.fails = False
    harness = KeptComponentHarness(outbox=outbox)
    harness.messages(1)
    harness.attached()
    harness.messages(2)
    assert harness.heard() == ["nurse is attached"]
    outbox.looking.pop().errback(OutboxUnavailable(Condition.IO_ERROR))
    assert harness.heard() == ["nurse gets 1 2"]


def test_an_operator_ends_nothing_that_is_being_sent() -> None:
    harness = KeptComponentHarness()
    harness.messages(1, 2)
    harness.messages(3, who=JULIET)
    pages: list[Any] = []
    for pair in (PAIR, NEAR):
        harness.outbox.page(pair, 0, 10).addCallback(pages.extend)
    numbers = {each.raw.partition(b" id='")[2][:1].decode(): each.number for each in pages}
    pairs = {"1": PAIR, "2": PAIR, "3": NEAR}

    def held() -> set[str]:
        return {each for each, pair in pairs.items() if harness.route.has_hold_of(pair, numbers[each])}

    assert held() == set()
    nurse = harness.attached()
    assert held() == set(pairs)
    assert not harness.route.has_hold_of(PAIR, numbers["3"] + 1)
    nurse.answers()
    harness.passes(3.1)
    assert harness.kept == 0
    assert held() == set()
