"""Streams between servers on which stanzas are acknowledged, resumed, and pass both ways."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.features.stream_management import (
    Acknowledged,
    AcknowledgementRequested,
    GrantManagement,
    LastAcknowledgement,
    ManagementEnabled,
    ManagementGranted,
    ManagementRefused,
    ResumeStream,
    ResumptionDecided,
    ResumptionRefused,
    StreamResumed,
)
from gateway.federation.broken_streams import BrokenStream, BrokenStreams
from gateway.federation.inbound import InboundSession
from gateway.federation.outbound import OutboundSession
from gateway.federation.resumable_streams import KEPT_SECONDS, ResumableStreams
from gateway.federation.session import MOST_READ_ON, ServerSession, StreamUser
from gateway.federation.stream_end import StreamEnd
from gateway.notices.attempts.records import Direction
from gateway.stream.events import NegotiationCompleted, PairVerified, StreamClosed, StreamErrorReceived
from gateway.stream.facts import Facts, Management, Means, Role, ServerFacts, Terms
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import StreamCondition
from gateway.xmpp.stanzas import Stanza
from tests.support.neighbours import Neighbours
from tests.support.trees import stanza
from tests.unit.federation.lines import DIALBACK, Line, attempt, tools

FORTH = DomainPair(Domain("ours.test"), Domain("far.test"))
BACK = FORTH.reversed()
R = b"<r xmlns='urn:xmpp:sm:3'/>"
OURS = ServerFacts(role=Role.INITIATING, local=FORTH.sender, remote=FORTH.target, management=Management.ON).with_proof(
    FORTH, Means.EXTERNAL
)
THEIRS = ServerFacts(role=Role.RECEIVING, local=FORTH.sender, remote=FORTH.target).with_proof(BACK, Means.EXTERNAL)


def a(h: int) -> bytes:
    return b"<a xmlns='urn:xmpp:sm:3' h='%d'/>" % h


def message(number: int, pair: DomainPair = FORTH) -> Stanza:
    return stanza(f"<message id='{number}' from='{pair.sender}' to='{pair.target}'/>")


def ids(stanzas: Sequence[Stanza]) -> str:
    return " ".join(str(each.id) for each in stanzas)


class ManagedHarness:
    """A clock, a router, and what routes learn about streams."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.neighbours = Neighbours()
        self.heard: list[Any] = []
        self.broken = BrokenStreams(self.clock, lambda broken: Deferred())
        self.resumable_streams = ResumableStreams(lambda: "mantua", self.clock.seconds)
        self.lent: list[DomainPair] = []
        self.keeping: Deferred[None] | None = None  # until it fires, what came would not survive a crash

    def ours(self, facts: Facts = OURS, resuming: BrokenStream | None = None) -> tuple[OutboundSession, Line]:
        """A stream that we have opened, as far as the end of its negotiation."""
        line = Line(facts)
        session = OutboundSession(
            line, attempt(Direction.OUT), DIALBACK, tools(self.neighbours, self.clock), FORTH, self.gone, resuming
        )
        session.when_proved(FORTH).addCallbacks(lambda _: self.heard.append("may send"), lambda failure: None)
        line.carries(session)
        line.established()
        line.happens(NegotiationCompleted())
        return session, line

    def theirs(self, facts: Facts = THEIRS) -> tuple[InboundSession, Line]:
        """A stream that another server has opened."""
        line = Line(facts)
        session = InboundSession(
            line,
            attempt(Direction.IN),
            DIALBACK,
            tools(self.neighbours, self.clock, lambda: self.keeping),
            verify=lambda order, asker: Deferred(),
            reached=lambda pair: None,
            lenders=self,
            resumable_streams=self.resumable_streams,
        )
        line.carries(session)
        line.established()
        line.happens(NegotiationCompleted())
        return session, line

    def gone(self, session: OutboundSession, reason: str, broken: BrokenStream | None) -> None:
        self.left = broken

    # As Lenders.

    def lend(self, session: ServerSession, pair: DomainPair) -> None:
        self.lent.append(pair)

    def unlend(self, session: ServerSession) -> None:
        self.lent.clear()

    # As a route.

    def uses(self, session: ServerSession) -> None:
        session.carry(FORTH, StreamUser(ended=self.ended, take_back=self.take_back))

    def take_back(self, stanzas: Sequence[Stanza], *, is_back: bool = True) -> None:
        if stanzas:
            self.heard.append(f"back {ids(stanzas)}")

    def ended(self, end: StreamEnd) -> None:
        words = [
            "cleanly" if end.cleanly else "",
            "resuming" if end.resuming else "",
            f"returned {ids(end.returned.get(FORTH, []))}" if end.returned else "",
            f"blamed {end.blamed.id}" if end.blamed is not None else "",
        ]
        self.heard.append(" ".join(filter(None, ["ended", *words])))


@pytest.fixture
def harness() -> ManagedHarness:
    return ManagedHarness()


# Sending.


def test_what_is_sent_is_followed_by_one_question_until_it_is_answered(harness: ManagedHarness) -> None:
    session, line = harness.ours()
    session.send([message(1), message(2)])
    session.send([message(3)])
    assert line.log == [message(1).raw + message(2).raw + R, message(3).raw]
    line.happens(Acknowledged(h=2))
    assert line.log[2:] == [R]
    line.happens(Acknowledged(h=3))
    assert line.log[3:] == []


def test_what_was_never_sent_cannot_be_acknowledged(harness: ManagedHarness) -> None:
    session, line = harness.ours()
    session.send([message(1)])
    line.happens(Acknowledged(h=2))
    assert line.log[1:] == ["close undefined-condition"]


def test_there_is_no_room_while_too_much_is_unacknowledged(harness: ManagedHarness) -> None:
    session, line = harness.ours()
    large = stanza(f"<message from='ours.test' to='far.test'><body>{'x' * (1 << 18)}</body></message>")
    assert session.has_room
    session.send([large] * 4)
    assert not session.has_room
    room = session.room()
    assert room is not None
    line.happens(Acknowledged(h=4))
    assert room.called
    assert session.has_room


def test_who_acknowledges_nothing_is_cut_off(harness: ManagedHarness) -> None:
    session, line = harness.ours()
    session.send([message(1)])
    harness.clock.advance(60)
    assert line.log[1:] == ["abort"]


def test_where_it_is_refused_stanzas_go_on_without(harness: ManagedHarness) -> None:
    session, line = harness.ours()
    session.send([message(1)])
    line.happens(ManagementRefused())
    session.send([message(2)])
    assert line.log[1:] == [message(2).raw]
    assert not session.is_managed


# The end of a stream.


def test_what_was_not_acknowledged_goes_back_to_its_route(harness: ManagedHarness) -> None:
    session, line = harness.ours()
    harness.uses(session)
    session.send([message(1), message(2), message(3)])
    line.happens(Acknowledged(h=1))
    line.lost("cut")
    assert harness.heard == ["may send", "ended returned 2 3"]
    assert harness.left is None


def test_where_the_stream_can_be_resumed_it_waits_for_that(harness: ManagedHarness) -> None:
    session, line = harness.ours()
    harness.uses(session)
    line.happens(ManagementEnabled(id="mantua", seconds=600))
    session.send([message(1), message(2)])
    line.lost("cut")
    assert harness.heard == ["may send", "ended resuming"]
    assert harness.left is not None
    harness.left.settle(1)
    assert harness.heard[2:] == ["back 2"]


def test_a_stream_that_was_closed_properly_is_not_resumed(harness: ManagedHarness) -> None:
    session, line = harness.ours()
    harness.uses(session)
    line.happens(ManagementEnabled(id="mantua"))
    session.send([message(1)])
    line.happens(Acknowledged(h=1), StreamClosed())
    line.lost("closed")
    assert (harness.heard[1:], harness.left) == (["ended cleanly"], None)


@pytest.mark.parametrize(("h", "told"), [(0, "returned 1 2 3"), (1, "returned 2 3"), (2, "blamed 3")])
def test_a_stream_error_is_about_the_stanza_that_was_not_acknowledged_if_there_is_only_one(
    harness: ManagedHarness, h: int, told: str
) -> None:
    session, line = harness.ours()
    harness.uses(session)
    line.happens(ManagementEnabled(id="mantua"))
    session.send([message(1), message(2), message(3)])
    line.happens(Acknowledged(h=h))
    line.happens(StreamErrorReceived(condition=StreamCondition.POLICY_VIOLATION, text="too large"))
    line.lost("closed")
    assert harness.heard[1:] == [f"ended {told}"]


@pytest.mark.parametrize("condition", [StreamCondition.SYSTEM_SHUTDOWN, StreamCondition.RESET])
def test_but_not_when_it_is_about_something_else(harness: ManagedHarness, condition: StreamCondition) -> None:
    session, line = harness.ours()
    harness.uses(session)
    session.send([message(1)])
    line.happens(StreamErrorReceived(condition=condition, text=""), StreamClosed())
    line.lost("closed")
    assert harness.heard[1:] == ["ended returned 1"]


# Resuming one of our streams.


def resuming(harness: ManagedHarness) -> tuple[OutboundSession, Line]:
    """A stream on which we ask to go on with another, on which two stanzas had not been acknowledged."""
    session, line = harness.ours()
    harness.uses(session)
    line.happens(ManagementEnabled(id="mantua"))
    session.send([message(1), message(2)])
    line.lost("cut")
    harness.heard.clear()
    assert harness.left is not None
    return harness.ours(replace(OURS, management=Management.RESUMING), harness.left)


def test_nothing_is_sent_before_it_is_known_what_goes_first(harness: ManagedHarness) -> None:
    _, line = resuming(harness)
    assert harness.heard == []
    line.happens(StreamResumed(h=1))
    assert harness.heard == ["back 2", "may send"]


def test_the_counters_go_on_where_they_were(harness: ManagedHarness) -> None:
    session, line = resuming(harness)
    line.happens(StreamResumed(h=1))
    session.send([message(2), message(3)])
    line.happens(Acknowledged(h=3))
    assert line.log == [message(2).raw + message(3).raw + R]
    assert session.was_resumed


def test_where_it_is_refused_the_counters_begin_again(harness: ManagedHarness) -> None:
    session, line = resuming(harness)
    line.happens(ResumptionRefused())
    assert harness.heard == ["back 1 2", "may send"]
    session.send([message(1), message(2)])
    line.happens(Acknowledged(h=2))
    assert line.log == [message(1).raw + message(2).raw + R]
    assert not session.was_resumed


def test_a_refusal_may_still_say_what_was_handled(harness: ManagedHarness) -> None:
    _, line = resuming(harness)
    line.happens(ResumptionRefused(h=2))
    assert harness.heard == ["may send"]


def test_what_was_handled_on_a_resumed_stream_is_not_sent_again_though_we_heard_of_none(
    harness: ManagedHarness,
) -> None:
    session, line = resuming(harness)
    line.happens(StreamResumed(h=0))
    harness.uses(session)
    session.send([message(1), message(2)])
    line.lost("cut")
    assert harness.heard[-1] == "ended resuming"
    assert harness.left is not None
    _, line = harness.ours(replace(OURS, management=Management.RESUMING), harness.left)
    line.happens(StreamResumed(h=2))
    assert harness.heard[-2:] == ["ended resuming", "may send"]


def test_connections_that_led_to_nothing_are_counted_until_one_leads_on(harness: ManagedHarness) -> None:
    counts = []
    session, line = resuming(harness)
    for h in (0, 0, 1):
        assert harness.left is not None
        counts.append(harness.left.in_vain)
        line.happens(StreamResumed(h=h))
        harness.uses(session)
        session.send([message(1), message(2)][h:])
        line.lost("cut")
        session, line = harness.ours(replace(OURS, management=Management.RESUMING), harness.left)
    assert [*counts, harness.left.in_vain] == [1, 2, 3, 0]


# Streams of the other side.


def granted(harness: ManagedHarness, *, resumable: bool = True, facts: Facts = THEIRS) -> tuple[InboundSession, Line]:
    session, line = harness.theirs(facts)
    line.happens(GrantManagement(resumable=resumable))
    return session, line


def test_what_comes_is_counted_since_it_was_asked_for(harness: ManagedHarness) -> None:
    session, line = harness.theirs()
    session.stanzas_received([message(1, BACK)])
    line.happens(GrantManagement(resumable=True))
    session.stanzas_received([message(2, BACK), message(3, BACK)])
    line.happens(AcknowledgementRequested())
    assert line.log == [ManagementGranted(id="mantua", seconds=KEPT_SECONDS), a(2)]


def test_a_stream_that_nobody_wants_to_resume_has_no_id(harness: ManagedHarness) -> None:
    _, line = granted(harness, resumable=False)
    assert line.log == [ManagementGranted(id=None, seconds=KEPT_SECONDS)]


def test_the_stanza_over_which_the_stream_ends_is_not_acknowledged(harness: ManagedHarness) -> None:
    session, line = granted(harness)
    other = stanza("<message from='other.test' to='ours.test'/>")
    session.stanzas_received([message(1, BACK), other, message(2, BACK)])
    line.happens(LastAcknowledgement())
    assert line.log[1:] == ["close invalid-from", a(1)]


def test_nothing_is_handled_after_the_last_acknowledgement(harness: ManagedHarness) -> None:
    session, line = granted(harness)
    session.stanzas_received([message(1, BACK)])
    line.happens(LastAcknowledgement())
    session.stanzas_received([message(2, BACK)])
    assert line.log[1:] == [a(1)]
    assert ids(harness.neighbours.inside.got) == "1"


def test_nothing_is_acknowledged_behind_our_closing_tag(harness: ManagedHarness) -> None:
    _, line = granted(harness)
    line.closes()
    line.happens(AcknowledgementRequested())
    assert line.log[1:] == []


def test_a_broken_stream_is_resumed_on_another(harness: ManagedHarness) -> None:
    session, first = granted(harness)
    session.stanzas_received([message(1, BACK), message(2, BACK)])
    first.lost("cut")
    later, line = harness.theirs()
    line.happens(ResumeStream(id="mantua", h=0))
    assert line.log == [ResumptionDecided(id="mantua", resumed=True, h=2)]
    later.stanzas_received([message(3, BACK)])
    line.happens(AcknowledgementRequested())
    assert line.log[1:] == [a(3)]


def test_what_is_being_kept_when_the_stream_breaks_counts_as_handled_when_it_is_resumed(
    harness: ManagedHarness,
) -> None:
    """Otherwise the other side would send it again, and it would come twice."""
    session, first = granted(harness)
    keeping = harness.keeping = Deferred()
    session.stanzas_received([message(1, BACK)])
    first.lost("cut")
    harness.keeping = second = Deferred()
    _, line = harness.theirs()
    line.happens(ResumeStream(id="mantua", h=0))
    assert line.log == []
    keeping.callback(None)
    second.callback(None)
    assert line.log == [ResumptionDecided(id="mantua", resumed=True, h=1)]


def test_a_resumption_whose_connection_is_gone_by_then_takes_nothing(harness: ManagedHarness) -> None:
    granted(harness)[1].lost("cut")
    harness.keeping = Deferred()
    _, line = harness.theirs()
    line.happens(ResumeStream(id="mantua", h=0))
    line.lost("cut")
    harness.keeping.callback(None)
    assert line.log == []


def test_one_that_is_half_dead_is_taken_over_and_handles_nothing_more(harness: ManagedHarness) -> None:
    session, old = granted(harness)
    session.stanzas_received([message(1, BACK)])
    _, line = harness.theirs()
    line.happens(ResumeStream(id="mantua", h=0))
    session.stanzas_received([message(2, BACK)])
    old.lost("closed")
    assert old.log[1:] == ["close conflict"]
    assert line.log == [ResumptionDecided(id="mantua", resumed=True, h=1)]
    assert ids(harness.neighbours.inside.got) == "1"


def test_and_nothing_while_the_resumption_waits_for_what_it_has_handled(harness: ManagedHarness) -> None:
    """Otherwise stanzas that become safe later would be counted twice: here, and where they are sent again."""
    session, _ = granted(harness)
    keeping = harness.keeping = Deferred()
    session.stanzas_received([message(1, BACK)])
    later, line = harness.theirs()
    line.happens(ResumeStream(id="mantua", h=0))
    second = harness.keeping = Deferred()
    session.stanzas_received([message(2, BACK)])
    keeping.callback(None)
    assert line.log == [ResumptionDecided(id="mantua", resumed=True, h=1)]
    second.callback(None)
    harness.keeping = None
    later.stanzas_received([message(2, BACK)])
    line.happens(AcknowledgementRequested())
    assert line.log[1:] == [a(2)]
    assert ids(harness.neighbours.inside.got) == "1 2"


def test_one_that_nobody_knows_is_not_resumed(harness: ManagedHarness) -> None:
    _, line = harness.theirs()
    line.happens(ResumeStream(id="verona", h=0))
    assert line.log == [ResumptionDecided(id="verona", resumed=False)]


def test_h_07_one_of_another_pair_is_not_resumed(harness: ManagedHarness) -> None:
    granted(harness)
    other = DomainPair(Domain("other.test"), BACK.target)
    facts = replace(THEIRS, remote=other.sender, proofs={}).with_proof(other, Means.EXTERNAL)
    _, line = harness.theirs(facts)
    line.happens(ResumeStream(id="mantua", h=0))
    assert line.log == [ResumptionDecided(id="mantua", resumed=False)]


def test_a_server_that_comes_back_is_asked_at_once_what_it_had_handled(harness: ManagedHarness) -> None:
    hurried: list[Domain] = []
    harness.broken.hurry = hurried.append  # type: ignore[method-assign]
    _, line = harness.theirs()
    line.happens(PairVerified(pair=BACK, means=Means.EXTERNAL))
    assert hurried == [BACK.sender]


# Both ways.

BOTH_WAYS = replace(THEIRS, bidirectional=True)


def test_a_stream_in_both_directions_is_lent_for_answers(harness: ManagedHarness) -> None:
    _, line = harness.theirs(BOTH_WAYS)
    line.happens(PairVerified(pair=BACK, means=Means.EXTERNAL))
    assert harness.lent == [FORTH]


def test_a_stream_in_one_direction_is_not(harness: ManagedHarness) -> None:
    _, line = harness.theirs()
    line.happens(PairVerified(pair=BACK, means=Means.EXTERNAL))
    assert harness.lent == []


def test_what_was_sent_on_a_lent_stream_waits_for_the_other_side_to_resume_it(harness: ManagedHarness) -> None:
    session, first = granted(harness, facts=BOTH_WAYS)
    harness.uses(session)
    session.send([message(1), message(2)])
    first.lost("cut")
    assert harness.heard == ["ended resuming"]
    _, line = harness.theirs(BOTH_WAYS)
    line.happens(ResumeStream(id="mantua", h=1))
    assert harness.heard == ["ended resuming", "back 2"]
    assert len(harness.broken) == 0


def test_or_is_sent_again_when_the_other_side_begins_a_new_stream(harness: ManagedHarness) -> None:
    session, first = granted(harness, facts=BOTH_WAYS)
    harness.uses(session)
    session.send([message(1), message(2)])
    first.lost("cut")
    granted(harness, facts=BOTH_WAYS)
    assert harness.heard == ["ended resuming", "back 1 2"]
    assert len(harness.broken) == 0


@pytest.mark.parametrize(("bidirectional", "passes"), [(True, "1"), (False, "")])
def test_on_a_stream_of_ours_stanzas_come_back_where_that_was_agreed(
    harness: ManagedHarness, bidirectional: bool, passes: str
) -> None:
    session, _ = harness.ours(replace(OURS, bidirectional=bidirectional))
    session.stanzas_received([message(1, BACK)])
    assert ids(harness.neighbours.inside.got) == passes


def test_h_07_only_from_whom_we_have_called(harness: ManagedHarness) -> None:
    session, line = harness.ours(replace(OURS, bidirectional=True))
    session.stanzas_received([stanza("<message from='other.test' to='ours.test'/>")])
    assert line.log == ["close invalid-from"]
    assert harness.neighbours.inside.got == []


# Pace.


def test_whoever_sends_too_fast_is_read_more_slowly_and_nothing_is_dropped(harness: ManagedHarness) -> None:
    session, _ = harness.theirs(replace(THEIRS, terms=Terms(stanzas_per_second=10)))
    wait = session.stanzas_received([message(number, BACK) for number in range(30)])
    assert len(harness.neighbours.inside.got) == 30
    assert wait is not None
    harness.clock.advance(1.9)
    assert not wait.called
    harness.clock.advance(0.1)
    assert wait.called


def test_a_stream_whose_acknowledgement_is_missing_is_read_on_for_a_while(
    harness: ManagedHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver without room may be the other side itself, and what comes next the acknowledgement."""
    session, line = granted(harness, facts=BOTH_WAYS)
    monkeypatch.setattr(harness.neighbours.inside, "flush", Deferred)
    assert session.stanzas_received([message(1, BACK)]) is not None
    large = stanza(f"<message from='ours.test' to='far.test'><body>{'x' * (1 << 18)}</body></message>")
    session.send([large] * 4)
    assert session.stanzas_received([message(2, BACK)]) is None
    much = stanza(f"<message from='far.test' to='ours.test'><body>{'x' * (MOST_READ_ON // 4)}</body></message>")
    assert session.stanzas_received([much] * 4) is not None
    line.happens(Acknowledged(h=4))
    session.send([large] * 4)
    assert session.stanzas_received([message(3, BACK)]) is None
