"""Which streams from other servers can be resumed, by whom and for how long."""

from __future__ import annotations

from itertools import count

import pytest
from twisted.internet.task import Clock

from gateway.federation.resumable_streams import KEPT_SECONDS, ResumableStreams
from gateway.stream.acknowledgements import Acknowledgements
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.stanzas import Stanza

PAIR = DomainPair(Domain("capulet.test"), Domain("montague.test"))


class Session:
    def __init__(self) -> None:
        self.superseded = 0

    def supersede(self) -> None:
        self.superseded += 1


class ResumptionHarness:
    def __init__(self, most: int = 10) -> None:
        self.clock = Clock()
        numbers = count(1)
        self.resumable_streams = ResumableStreams(lambda: f"id-{next(numbers)}", self.clock.seconds, most=most)

    def kept(self, session: Session, handled: int = 0, pair: DomainPair = PAIR) -> str:
        """A stream on which this many stanzas were handled; its id."""
        acknowledgements: Acknowledgements[Stanza] = Acknowledgements()
        acknowledgements.handled(handled)
        return self.resumable_streams.keep(pair, acknowledgements, session)

    def resume(self, id_: str, pair: DomainPair = PAIR) -> int | None:
        """Return what was handled, if the stream can be resumed."""
        acknowledgements = self.resumable_streams.resume(id_, pair, Session())
        return acknowledgements.h if acknowledgements is not None else None


@pytest.fixture
def harness() -> ResumptionHarness:
    return ResumptionHarness()


def test_a_broken_stream_is_resumed_where_it_was(harness: ResumptionHarness) -> None:
    session = Session()
    id_ = harness.kept(session, handled=7)
    harness.resumable_streams.broke(id_, session)
    assert harness.resume(id_) == 7
    assert session.superseded == 0


def test_it_can_be_resumed_again_and_again(harness: ResumptionHarness) -> None:
    session = Session()
    id_ = harness.kept(session, handled=7)
    for _ in range(3):
        harness.resumable_streams.broke(id_, session)
        session = Session()
        acknowledgements = harness.resumable_streams.resume(id_, PAIR, session)
        assert acknowledgements is not None
        acknowledgements.handled(1)
    assert harness.resume(id_) == 10


def test_a_half_dead_connection_handles_nothing_more(harness: ResumptionHarness) -> None:
    session = Session()
    id_ = harness.kept(session, handled=7)
    assert harness.resume(id_) == 7
    assert session.superseded == 1


def test_the_end_of_the_old_connection_does_not_concern_the_new_one(harness: ResumptionHarness) -> None:
    session, later = Session(), Session()
    id_ = harness.kept(session)
    harness.resumable_streams.resume(id_, PAIR, later)
    harness.resumable_streams.broke(id_, session)
    harness.resumable_streams.closed(id_, session)
    assert harness.resume(id_) == 0
    assert later.superseded == 1


@pytest.mark.parametrize(
    "pair",
    [PAIR.reversed(), DomainPair(PAIR.sender, Domain("other.test")), DomainPair(Domain("other.test"), PAIR.target)],
)
def test_nobody_resumes_the_stream_of_another_pair(harness: ResumptionHarness, pair: DomainPair) -> None:
    session = Session()
    id_ = harness.kept(session)
    assert harness.resume(id_, pair) is None
    assert session.superseded == 0


def test_an_id_that_nobody_was_given_is_none(harness: ResumptionHarness) -> None:
    harness.kept(Session())
    assert harness.resume("id-0") is None


def test_a_stream_that_was_closed_properly_is_over(harness: ResumptionHarness) -> None:
    session = Session()
    id_ = harness.kept(session)
    harness.resumable_streams.closed(id_, session)
    assert harness.resume(id_) is None
    assert len(harness.resumable_streams) == 0


def test_a_stream_that_broke_long_ago_is_forgotten(harness: ResumptionHarness) -> None:
    session = Session()
    id_ = harness.kept(session)
    harness.resumable_streams.broke(id_, session)
    harness.clock.advance(KEPT_SECONDS + 1)
    assert harness.resume(id_) is None
    assert len(harness.resumable_streams) == 0


def test_the_one_that_broke_first_is_forgotten_when_there_are_too_many() -> None:
    harness = ResumptionHarness(most=2)
    living = harness.kept(Session(), handled=1)
    ids = []
    for number in range(3):
        session = Session()
        ids.append(harness.kept(session, handled=number))
        harness.resumable_streams.broke(ids[-1], session)
    assert [harness.resume(id_) for id_ in (*ids, living)] == [None, 1, 2, 1]


def test_a_domain_that_breaks_many_streams_takes_no_other_ones_room() -> None:
    harness = ResumptionHarness(most=4)
    few = DomainPair(Domain("few.test"), PAIR.target)
    session = Session()
    id_ = harness.kept(session, pair=few)
    harness.resumable_streams.broke(id_, session)
    for _ in range(6):
        session = Session()
        harness.resumable_streams.broke(harness.kept(session), session)
    assert len(harness.resumable_streams) == 4
    assert harness.resume(id_, few) == 0
