"""What is asked, counted and waited for on a managed stream."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.federation.managed_stream import Ledger
from gateway.stream.acknowledgements import Acknowledgements
from gateway.xmpp.errors import StreamError
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza

R = b"<r xmlns='urn:xmpp:sm:3'/>"
STANZA = stanza("<message from='a.test' to='b.test'/>")


class World:
    def __init__(self) -> None:
        self.clock = Clock()
        self.silences: list[float] = []
        acknowledgements: Acknowledgements[Stanza] = Acknowledgements(most_bytes=100)
        self.ledger = Ledger(acknowledgements, self.clock, 60, lambda: self.silences.append(self.clock.seconds()))

    def send(self, count: int = 1, size: int = 10) -> bytes:
        """What is written behind this many stanzas."""
        return self.ledger.sending([STANZA] * count, b"s" * size)[size:]


@pytest.fixture
def world() -> World:
    return World()


def test_one_question_is_open_at_a_time(world: World) -> None:
    assert [world.send(), world.send(), world.send()] == [R, b"", b""]


def test_the_next_question_follows_the_answer_if_something_is_unacknowledged(world: World) -> None:
    world.send()
    world.send()
    assert world.ledger.acknowledged(1) == R
    assert world.send() == b""
    assert world.ledger.acknowledged(3) == b""
    assert world.send() == R


def test_an_impossible_answer_is_refused(world: World) -> None:
    world.send()
    with pytest.raises(StreamError):
        world.ledger.acknowledged(2)


def test_there_is_room_until_too_much_is_unacknowledged_and_then_after_an_answer(world: World) -> None:
    world.send(size=99)
    assert world.ledger.has_room
    world.send(size=99)
    assert not world.ledger.has_room
    room = world.ledger.room()
    world.ledger.acknowledged(0)
    assert not room.called
    world.ledger.acknowledged(1)
    assert room.called


def test_the_end_of_the_stream_frees_who_waits_for_room(world: World) -> None:
    room = world.ledger.room()
    world.ledger.close()
    assert room.called


def test_what_comes_is_counted_since_both_sides_have_enabled_it(world: World) -> None:
    world.ledger.handled(3)
    world.ledger.counts = True
    world.ledger.handled(4)
    assert world.ledger.acknowledgements.h == 4


def test_who_does_not_answer_is_noticed_once_patience_ends(world: World) -> None:
    world.send()
    world.clock.advance(59)
    assert world.silences == []
    world.clock.advance(1)
    assert world.silences == [60]


def test_patience_is_for_the_question_that_is_open(world: World) -> None:
    world.send()
    world.clock.advance(50)
    world.ledger.acknowledged(1)
    world.send()
    world.clock.advance(50)
    assert world.silences == []
    world.clock.advance(10)
    assert world.silences == [110]


def test_an_answered_question_leaves_no_timer_that_goes_on(world: World) -> None:
    world.send()
    world.ledger.acknowledged(1)
    world.clock.advance(60)
    assert (world.silences, world.clock.getDelayedCalls()) == ([], [])


def test_the_end_of_the_stream_leaves_no_timer(world: World) -> None:
    world.send()
    world.ledger.close()
    assert world.clock.getDelayedCalls() == []


def test_what_would_not_survive_a_crash_is_not_acknowledged(world: World) -> None:
    ledger = world.ledger
    ledger.counts = True
    unsafe: Deferred[None] = Deferred()
    ledger.handled(2)
    told = ledger.handled(3, unsafe)
    ledger.handled(1)
    assert ledger.asked() == 2, "what came behind it waits, too: h counts in order"
    assert told is not None
    assert not told.called
    unsafe.callback(None)
    assert told.called, "whoever has asked is told without asking again"
    assert ledger.asked() == 6


def test_nobody_is_told_who_has_not_asked(world: World) -> None:
    world.ledger.counts = True
    unsafe: Deferred[None] = Deferred()
    told = world.ledger.handled(1, unsafe)
    unsafe.callback(None)
    assert told is not None
    assert not told.called
    assert world.ledger.asked() == 1
