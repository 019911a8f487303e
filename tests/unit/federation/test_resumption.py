"""Which streams from other servers can be resumed, by whom and for how long."""

from __future__ import annotations

from itertools import count

import pytest
from twisted.internet.task import Clock

from gateway.federation.resumption import KEPT_SECONDS, Resumables
from gateway.stream.acknowledgements import Acknowledgements
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.stanzas import Stanza

PAIR = DomainPair(Domain("capulet.test"), Domain("montague.test"))


class Session:
    def __init__(self) -> None:
        self.superseded = 0

    def supersede(self) -> None:
        self.superseded += 1


class World:
    def __init__(self, most: int = 10) -> None:
        self.clock = Clock()
        numbers = count(1)
        self.resumables = Resumables(lambda: f"id-{next(numbers)}", self.clock.seconds, most=most)

    def kept(self, session: Session, handled: int = 0) -> str:
        """A stream on which this many stanzas were handled; its id."""
        acknowledgements: Acknowledgements[Stanza] = Acknowledgements()
        acknowledgements.handled(handled)
        return self.resumables.keep(PAIR, acknowledgements, session)

    def resume(self, id_: str, pair: DomainPair = PAIR) -> int | None:
        """What was handled, if the stream can be resumed."""
        acknowledgements = self.resumables.resume(id_, pair, Session())
        return acknowledgements.h if acknowledgements is not None else None


@pytest.fixture
def world() -> World:
    return World()


def test_a_broken_stream_is_resumed_where_it_was(world: World) -> None:
    session = Session()
    id_ = world.kept(session, handled=7)
    world.resumables.broke(id_, session)
    assert world.resume(id_) == 7
    assert session.superseded == 0


def test_it_can_be_resumed_again_and_again(world: World) -> None:
    session = Session()
    id_ = world.kept(session, handled=7)
    for _ in range(3):
        world.resumables.broke(id_, session)
        session = Session()
        acknowledgements = world.resumables.resume(id_, PAIR, session)
        assert acknowledgements is not None
        acknowledgements.handled(1)
    assert world.resume(id_) == 10


def test_a_half_dead_connection_handles_nothing_more(world: World) -> None:
    session = Session()
    id_ = world.kept(session, handled=7)
    assert world.resume(id_) == 7
    assert session.superseded == 1


def test_the_end_of_the_old_connection_does_not_concern_the_new_one(world: World) -> None:
    session, later = Session(), Session()
    id_ = world.kept(session)
    world.resumables.resume(id_, PAIR, later)
    world.resumables.broke(id_, session)
    world.resumables.closed(id_, session)
    assert world.resume(id_) == 0
    assert later.superseded == 1


@pytest.mark.parametrize(
    "pair",
    [PAIR.reversed(), DomainPair(PAIR.sender, Domain("other.test")), DomainPair(Domain("other.test"), PAIR.target)],
)
def test_nobody_resumes_the_stream_of_another_pair(world: World, pair: DomainPair) -> None:
    session = Session()
    id_ = world.kept(session)
    assert world.resume(id_, pair) is None
    assert session.superseded == 0


def test_an_id_that_nobody_was_given_is_none(world: World) -> None:
    world.kept(Session())
    assert world.resume("id-0") is None


def test_a_stream_that_was_closed_properly_is_over(world: World) -> None:
    session = Session()
    id_ = world.kept(session)
    world.resumables.closed(id_, session)
    assert world.resume(id_) is None
    assert len(world.resumables) == 0


def test_a_stream_that_broke_long_ago_is_forgotten(world: World) -> None:
    session = Session()
    id_ = world.kept(session)
    world.resumables.broke(id_, session)
    world.clock.advance(KEPT_SECONDS + 1)
    assert world.resume(id_) is None
    assert len(world.resumables) == 0


def test_the_one_that_broke_first_is_forgotten_when_there_are_too_many() -> None:
    world = World(most=2)
    living = world.kept(Session(), handled=1)
    ids = []
    for number in range(3):
        session = Session()
        ids.append(world.kept(session, handled=number))
        world.resumables.broke(ids[-1], session)
    assert [world.resume(id_) for id_ in (*ids, living)] == [None, 1, 2, 1]
