"""UnansweredRequests: every cell of the table, how long each state lasts, and when the askers get an error."""

from __future__ import annotations

from typing import cast

import pytest
from twisted.internet.task import Clock

from gateway.federation.broken_streams import RESUME_SECONDS
from gateway.federation.unanswered import TRANSITIONS, Life, Move, UnansweredRequests
from gateway.routing.policy import DomainRule, Domains
from gateway.routing.router import Router
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import StanzaError
from gateway.xmpp.stanzas import AddressedStanza, Stanza
from tests.support.tables import drawn, rows
from tests.support.trees import stanza

HERE, FAR = Domain("here.test"), Domain("far.test")
PAIR = DomainPair(HERE, FAR)
SECONDS = 10
ASKED = "<iq type='get' id='{id}' from='a@here.test' to='b@far.test'><ping xmlns='urn:xmpp:ping'/></iq>"
ANSWERED = "<iq type='result' id='{id}' from='b@far.test' to='a@here.test'/>"
DIAGRAM = """
           end    break      open   resume  give_up
none       grace  resumable  none   none    -
resumable  grace  resumable  grace  none    grace
grace      grace  resumable  grace  none    none
"""


def test_the_table_is_the_one_that_is_drawn() -> None:
    assert list(TRANSITIONS) == list(Life)
    assert drawn(TRANSITIONS, list(Move)) == rows(DIAGRAM)


class BouncingRouter(Router):
    """A router whose requests are real, and which writes down the id of each that is bounced."""

    def __init__(self) -> None:
        super().__init__(Domains({HERE: DomainRule()}), lambda _: pytest.fail("nothing is routed"), lambda _: None)
        self.bounced: list[str | None] = []

    def bounce(self, stanza: Stanza, error: StanzaError) -> None:
        self.bounced.append(stanza.id)


class Pair:
    """The requests of one pair; `over` counts how often their time was over."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.router = BouncingRouter()
        self.over = 0
        self.requests = UnansweredRequests(PAIR, self.router, self.clock, seconds=lambda: SECONDS, over=self._count)

    def _count(self) -> None:
        self.over += 1

    def ask(self, *ids: str) -> None:
        for id_ in ids:
            self.router.requests.asked(PAIR, cast(AddressedStanza, stanza(ASKED.format(id=id_))))

    def answer(self, id_: str) -> None:
        assert self.router.requests.answered(PAIR, cast(AddressedStanza, stanza(ANSWERED.format(id=id_))))


@pytest.fixture
def pair() -> Pair:
    return Pair()


def test_another_stream_may_bring_the_answers_for_some_seconds(pair: Pair) -> None:
    pair.ask("1", "2")
    pair.requests.stream_ended(resuming=False)
    pair.requests.stream_opened(resumed=False)
    pair.answer("2")
    pair.clock.advance(SECONDS - 1)
    assert (pair.router.bounced, pair.over) == ([], 0)
    pair.clock.advance(1)
    assert (pair.router.bounced, pair.over) == (["1"], 1)
    assert not pair.requests.is_waiting


def test_the_next_stream_does_not_extend_the_time(pair: Pair) -> None:
    pair.ask("1")
    pair.requests.stream_ended(resuming=False)
    pair.clock.advance(SECONDS - 1)
    pair.requests.stream_opened(resumed=False)
    pair.clock.advance(1)
    assert pair.router.bounced == ["1"]


def test_what_the_next_stream_is_asked_is_not_bounced_with_them(pair: Pair) -> None:
    pair.ask("1")
    pair.requests.stream_ended(resuming=False)
    pair.requests.stream_opened(resumed=False)
    pair.ask("2")
    pair.clock.advance(SECONDS)
    assert pair.router.bounced == ["1"]


def test_the_time_begins_when_the_stream_can_no_longer_be_resumed(pair: Pair) -> None:
    pair.ask("1")
    pair.requests.stream_ended(resuming=True)
    pair.clock.advance(RESUME_SECONDS)
    assert (pair.requests.state, pair.router.bounced) == (Life.GRACE, [])
    pair.clock.advance(SECONDS)
    assert (pair.router.bounced, pair.over) == (["1"], 1)


def test_the_time_begins_when_another_stream_takes_its_place(pair: Pair) -> None:
    pair.ask("1")
    pair.requests.stream_ended(resuming=True)
    pair.clock.advance(1)
    pair.requests.stream_opened(resumed=False)
    pair.clock.advance(SECONDS)
    assert pair.router.bounced == ["1"]


def test_a_resumed_stream_brings_the_answers_without_haste(pair: Pair) -> None:
    pair.ask("1")
    pair.requests.stream_ended(resuming=True)
    pair.requests.stream_opened(resumed=True)
    pair.clock.advance(RESUME_SECONDS + SECONDS)
    assert (pair.router.bounced, pair.requests.state) == ([], Life.NONE)
    pair.answer("1")


def test_the_end_of_the_next_stream_answers_those_of_the_earlier_one_at_once(pair: Pair) -> None:
    pair.ask("1")
    pair.requests.stream_ended(resuming=False)
    pair.requests.stream_opened(resumed=False)
    pair.ask("2")
    pair.requests.stream_ended(resuming=False)
    assert pair.router.bounced == ["1"]
    pair.clock.advance(SECONDS)
    assert pair.router.bounced == ["1", "2"]


def test_what_is_sent_again_waits_on_the_next_stream(pair: Pair) -> None:
    pair.ask("1", "2")
    pair.requests.stream_ended(resuming=False)
    pair.answer("1")  # as the route does before it sends it again
    pair.requests.sent_again()
    pair.ask("1")
    pair.clock.advance(SECONDS)
    assert pair.router.bounced == ["2"]


def test_giving_up_answers_all_of_them_and_needs_no_time(pair: Pair) -> None:
    pair.ask("1")
    pair.requests.stream_ended(resuming=True)
    pair.requests.give_up()
    assert (pair.router.bounced, pair.requests.is_waiting) == (["1"], False)
    assert not pair.clock.getDelayedCalls()
