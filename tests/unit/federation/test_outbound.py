"""OutboundSession: who waits for one of our streams, and what they hear."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from gateway.federation.delivery_failures import DeliveryFailed
from gateway.federation.outbound import UNOFFERED_SECONDS, OutboundSession
from gateway.notices.attempts.records import Direction
from gateway.notices.notices import StanzaBounced
from gateway.stream.events import (
    NegotiationCompleted,
    PairRefused,
    PairVerified,
    ProofFailed,
    StreamClosed,
    StreamErrorReceived,
)
from gateway.stream.facts import Means, Role, ServerFacts
from gateway.stream.records import replace
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamCondition, StreamError, TLSRequired
from gateway.xmpp.namespaces import DIALBACK_FEATURE, STREAMS
from tests.support.neighbours import Neighbours
from tests.support.trees import stanza
from tests.unit.federation.lines import DIALBACK, Line, attempt, tools

PAIR = DomainPair(Domain("ours.test"), Domain("far.test"))
FURTHER = DomainPair(Domain("more.ours.test"), PAIR.target)
FACTS = ServerFacts(role=Role.INITIATING, local=PAIR.sender, remote=PAIR.target, stream_id="1", tls=None)
CLEAR = ServerFacts(
    role=Role.INITIATING,
    local=PAIR.sender,
    remote=PAIR.target,
    stream_id="1",
    terms=FACTS.terms.__class__(require_tls=False),
)


class OutboundHarness:
    """One of our sessions and its connection; `heard` is what those who wait for it have heard."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.neighbours = Neighbours()
        self.clock = Clock()
        self.line = Line(CLEAR)
        self.session = OutboundSession(
            self.line,
            attempt(Direction.OUT),
            DIALBACK,
            tools(self.neighbours, self.clock),
            PAIR,
            lambda session, reason, broken: self.heard.append(f"gone: {reason}"),
        )
        self.line.carries(self.session)

    def wait(self, pair: DomainPair = PAIR) -> None:
        self.session.when_proved(pair).addCallbacks(
            lambda session: self.heard.append(f"{pair.sender} proved"), lambda failure: self._failed(failure.value)
        )

    def prove(self, pair: DomainPair) -> None:
        self.session.prove(pair).addCallbacks(
            lambda session: self.heard.append(f"{pair.sender} proved"), lambda failure: self._failed(failure.value)
        )

    def _failed(self, error: Exception) -> None:
        assert isinstance(error, DeliveryFailed)
        self.heard.append(f"{error.told.condition}{' for the pair' if error.of_the_pair else ''}: {error.reason}")

    def establish(self, means: Means = Means.DIALBACK) -> None:
        self.line.stream.facts = CLEAR.with_proof(PAIR, means)
        self.line.established()
        self.line.happens(PairVerified(pair=PAIR, means=means), NegotiationCompleted())


@pytest.fixture
def harness() -> OutboundHarness:
    return OutboundHarness()


def test_who_waits_has_the_session_when_the_stream_stands(harness: OutboundHarness) -> None:
    harness.wait()
    harness.line.happens(PairVerified(pair=PAIR, means=Means.EXTERNAL))
    assert harness.heard == []  # a proof is not yet a stream
    harness.establish()
    assert harness.heard == ["ours.test proved"]


def test_who_waits_hears_why_it_was_lost(harness: OutboundHarness) -> None:
    harness.wait()
    harness.line.lost("the connection was lost")
    assert harness.heard == ["remote-server-timeout: the connection was lost", "gone: the connection was lost"]


@pytest.mark.parametrize(
    ("error", "heard"),
    [
        (
            TLSRequired(),
            "remote-server-timeout: we ended the stream with policy-violation: TLS is required here",
        ),
        (
            StreamError(StreamCondition.UNSUPPORTED_FEATURE, "no proof"),
            "remote-server-timeout for the pair: we ended the stream with unsupported-feature: no proof",
        ),
    ],
)
def test_who_waits_hears_at_once_when_we_leave(harness: OutboundHarness, error: StreamError, heard: str) -> None:
    harness.wait()
    harness.line.closes(error)
    assert harness.heard == [heard]
    harness.line.lost("the other side closed the connection")
    assert len(harness.heard) == 2


@pytest.mark.parametrize(
    ("condition", "bounced"),
    [
        (StreamCondition.HOST_UNKNOWN, "remote-server-not-found"),
        (StreamCondition.NOT_AUTHORIZED, "remote-server-timeout"),
        (StreamCondition.SYSTEM_SHUTDOWN, "remote-server-timeout"),
    ],
)
def test_who_waits_hears_with_which_error_they_left(
    harness: OutboundHarness, condition: StreamCondition, bounced: str
) -> None:
    harness.wait()
    harness.line.happens(StreamErrorReceived(condition=condition, text="who?"), StreamClosed())
    harness.line.closes()
    assert harness.heard == [f"{bounced} for the pair: the other side ended the stream with {condition}: who?"]


def test_a_stream_closed_before_it_stood_fails_when_it_is_lost(harness: OutboundHarness) -> None:
    harness.wait()
    harness.line.happens(StreamClosed())
    harness.line.closes()
    assert harness.heard == []
    harness.line.lost("the other side closed the stream")
    assert harness.heard[0] == "remote-server-timeout: the other side closed the stream"


# Further pairs.


@pytest.mark.parametrize(
    ("means", "errors", "usable", "takes"),
    [
        (Means.DIALBACK, True, True, True),
        (Means.DIALBACK, False, True, False),  # a refusal would close the stream
        (Means.EXTERNAL, True, True, False),  # its own stream has the better proof
        (Means.DIALBACK, True, False, False),
    ],
)
def test_which_streams_take_further_pairs(
    harness: OutboundHarness, means: Means, errors: bool, usable: bool, takes: bool
) -> None:
    harness.establish(means)
    facts = harness.line.stream.facts
    harness.line.stream.facts = facts.__class__(**{**vars(facts), "peer_dialback_errors": errors})
    harness.line.stream.is_established = usable
    assert harness.session.takes_more_pairs == takes


def test_a_further_pair_is_asserted_and_proved(harness: OutboundHarness) -> None:
    harness.establish()
    harness.prove(FURTHER)
    (asserted,) = harness.line.log
    assert isinstance(asserted, Element)
    assert (asserted.name, asserted.get("from"), asserted.get("to")) == ("result", "more.ours.test", "far.test")
    harness.line.happens(PairVerified(pair=FURTHER, means=Means.DIALBACK))
    assert harness.heard == ["more.ours.test proved"]


def test_a_further_pair_that_is_refused_fails_alone(harness: OutboundHarness) -> None:
    harness.establish()
    harness.prove(FURTHER)
    harness.line.happens(PairRefused(pair=FURTHER, condition="invalid", text=""))
    assert harness.heard == ["internal-server-error for the pair: dialback for more.ours.test was refused (invalid)"]
    assert harness.session.is_usable
    harness.line.closes()
    assert not harness.session.narrator.last_error  # the refusal has nothing to do with that


def test_a_stream_that_left_a_further_pair_without_an_answer_gets_no_other(harness: OutboundHarness) -> None:
    harness.establish()
    harness.line.stream.facts = replace(harness.line.stream.facts, peer_dialback_errors=True)
    assert harness.session.takes_more_pairs
    harness.session.prove(FURTHER).addErrback(lambda failure: failure.trap(CancelledError)).cancel()
    assert not harness.session.takes_more_pairs
    harness.line.happens(PairVerified(pair=FURTHER, means=Means.DIALBACK))  # nobody waits any longer


# A stream in one direction.


def test_stanzas_that_come_back_are_dropped(harness: OutboundHarness) -> None:
    harness.establish()
    assert harness.session.stanzas_received([stanza("<message from='far.test' to='ours.test'/>")]) is None
    assert harness.neighbours.inside.got == []
    dropped = [each for each in harness.neighbours.notices if isinstance(each, StanzaBounced)]
    assert [(each.condition, each.answered) for each in dropped] == [("one-way-stream", False)]


def test_a_stream_that_is_being_closed_has_no_room(harness: OutboundHarness) -> None:
    harness.establish()
    assert harness.session.has_room
    assert harness.session.room() is None
    harness.line.closes()
    assert not harness.session.has_room
    room = harness.session.room()
    assert room is not None
    assert not room.called


@pytest.mark.parametrize("offers", [False, True])
def test_a_server_that_refuses_the_certificate_and_does_not_answer_dialback_either_is_left(
    harness: OutboundHarness, offers: bool
) -> None:
    clock: Any = harness.clock
    harness.wait()
    dialback = [Element(DIALBACK_FEATURE, "dialback")] if offers else []
    harness.line.stream.offered = Element(STREAMS, "features", {}, dialback)
    harness.line.happens(ProofFailed(means=Means.EXTERNAL, condition="not-authorized", text=""))
    harness.line.stream.facts = replace(CLEAR, asserted=frozenset({PAIR}))
    clock.advance(UNOFFERED_SECONDS - 1)
    assert "close connection-timeout" not in harness.line.log
    clock.advance(1)
    assert ("close connection-timeout" in harness.line.log) == (not offers)
    if not offers:
        (heard,) = harness.heard
        assert heard.startswith("remote-server-timeout for the pair: proof by external refused")


def test_a_server_that_answers_in_time_is_not_left(harness: OutboundHarness) -> None:
    clock: Any = harness.clock
    harness.line.stream.offered = Element(STREAMS, "features")
    harness.line.happens(ProofFailed(means=Means.EXTERNAL, condition="not-authorized", text=""))
    harness.establish()
    clock.advance(UNOFFERED_SECONDS)
    assert "close connection-timeout" not in harness.line.log
