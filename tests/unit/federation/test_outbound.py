"""OutboundSession: who waits for a stream of ours, and what they hear."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError

from gateway.federation.delivery import DeliveryFailed
from gateway.federation.outbound import OutboundSession
from gateway.notices.attempts.records import Direction
from gateway.notices.notices import StanzaBounced
from gateway.stream.events import NegotiationCompleted, PairRefused, PairVerified, StreamClosed, StreamErrorReceived
from gateway.stream.facts import Means, Role, ServerFacts
from gateway.stream.records import replace
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamCondition, StreamError, TLSRequired
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


class World:
    """One session of ours and its connection; `heard` is what those who wait for it have heard."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.neighbours = Neighbours()
        self.line = Line(CLEAR)
        self.session = OutboundSession(
            self.line,
            attempt(Direction.OUT),
            DIALBACK,
            tools(self.neighbours),
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
def world() -> World:
    return World()


def test_who_waits_has_the_session_when_the_stream_stands(world: World) -> None:
    world.wait()
    world.line.happens(PairVerified(pair=PAIR, means=Means.EXTERNAL))
    assert world.heard == []  # a proof is not yet a stream
    world.establish()
    assert world.heard == ["ours.test proved"]


def test_who_waits_hears_why_it_was_lost(world: World) -> None:
    world.wait()
    world.line.lost("the connection was lost")
    assert world.heard == ["remote-server-timeout: the connection was lost", "gone: the connection was lost"]


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
def test_who_waits_hears_at_once_when_we_leave(world: World, error: StreamError, heard: str) -> None:
    world.wait()
    world.line.closes(error)
    assert world.heard == [heard]
    world.line.lost("the other side closed the connection")
    assert len(world.heard) == 2


@pytest.mark.parametrize(
    ("condition", "bounced"),
    [
        (StreamCondition.HOST_UNKNOWN, "remote-server-not-found"),
        (StreamCondition.NOT_AUTHORIZED, "remote-server-timeout"),
        (StreamCondition.SYSTEM_SHUTDOWN, "remote-server-timeout"),
    ],
)
def test_who_waits_hears_with_which_error_they_left(world: World, condition: StreamCondition, bounced: str) -> None:
    world.wait()
    world.line.happens(StreamErrorReceived(condition=condition, text="who?"), StreamClosed())
    world.line.closes()
    assert world.heard == [f"{bounced} for the pair: the other side ended the stream with {condition}: who?"]


def test_a_stream_closed_before_it_stood_fails_when_it_is_lost(world: World) -> None:
    world.wait()
    world.line.happens(StreamClosed())
    world.line.closes()
    assert world.heard == []
    world.line.lost("the other side closed the stream")
    assert world.heard[0] == "remote-server-timeout: the other side closed the stream"


# Further pairs.


@pytest.mark.parametrize(
    ("means", "errors", "usable", "takes"),
    [
        (Means.DIALBACK, True, True, True),
        (Means.DIALBACK, False, True, False),  # a refusal would close the stream
        (Means.EXTERNAL, True, True, False),  # a stream of its own has the better proof
        (Means.DIALBACK, True, False, False),
    ],
)
def test_which_streams_take_further_pairs(world: World, means: Means, errors: bool, usable: bool, takes: bool) -> None:
    world.establish(means)
    facts = world.line.stream.facts
    world.line.stream.facts = facts.__class__(**{**vars(facts), "peer_dialback_errors": errors})
    world.line.stream.is_established = usable
    assert world.session.takes_more_pairs == takes


def test_a_further_pair_is_asserted_and_proved(world: World) -> None:
    world.establish()
    world.prove(FURTHER)
    (asserted,) = world.line.log
    assert isinstance(asserted, Element)
    assert (asserted.name, asserted.get("from"), asserted.get("to")) == ("result", "more.ours.test", "far.test")
    world.line.happens(PairVerified(pair=FURTHER, means=Means.DIALBACK))
    assert world.heard == ["more.ours.test proved"]


def test_a_further_pair_that_is_refused_fails_alone(world: World) -> None:
    world.establish()
    world.prove(FURTHER)
    world.line.happens(PairRefused(pair=FURTHER, condition="invalid", text=""))
    assert world.heard == ["internal-server-error for the pair: dialback for more.ours.test was refused (invalid)"]
    assert world.session.is_usable
    world.line.closes()
    assert world.session.narrator.closed_properly  # the refusal has nothing to do with that


def test_a_stream_that_left_a_further_pair_without_an_answer_gets_no_other(world: World) -> None:
    world.establish()
    world.line.stream.facts = replace(world.line.stream.facts, peer_dialback_errors=True)
    assert world.session.takes_more_pairs
    world.session.prove(FURTHER).addErrback(lambda failure: failure.trap(CancelledError)).cancel()
    assert not world.session.takes_more_pairs
    world.line.happens(PairVerified(pair=FURTHER, means=Means.DIALBACK))  # nobody waits any more


# A stream in one direction.


def test_stanzas_that_come_back_are_dropped(world: World) -> None:
    world.establish()
    assert world.session.stanzas_received([stanza("<message from='far.test' to='ours.test'/>")]) is None
    assert world.neighbours.inside.got == []
    dropped = [each for each in world.neighbours.notices if isinstance(each, StanzaBounced)]
    assert [(each.condition, each.answered) for each in dropped] == [("one-way-stream", False)]


def test_a_stream_that_is_being_closed_has_no_room(world: World) -> None:
    world.establish()
    assert world.session.has_room
    assert world.session.room() is None
    world.line.closes()
    assert not world.session.has_room
    room = world.session.room()
    assert room is not None
    assert not room.called
