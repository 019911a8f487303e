"""What is asked, counted and waited for on a managed stream."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.federation.managed_stream import ManagedStream
from gateway.stream.acknowledgements import Acknowledgements
from gateway.xmpp.errors import StreamError
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza

R = b"<r xmlns='urn:xmpp:sm:3'/>"
STANZA = stanza("<message from='a.test' to='b.test'/>")


class ManagedStreamHarness:
    def __init__(self) -> None:
        self.clock = Clock()
        self.silences: list[float] = []
        acknowledgements: Acknowledgements[Stanza] = Acknowledgements(most_bytes=100)
        self.managed = ManagedStream(
            acknowledgements, self.clock, 60, lambda: self.silences.append(self.clock.seconds())
        )

    def send(self, count: int = 1, size: int = 10) -> bytes:
        """Return what is written behind this many stanzas."""
        return self.managed.sending([STANZA] * count, b"s" * size)[size:]


@pytest.fixture
def harness() -> ManagedStreamHarness:
    return ManagedStreamHarness()


def test_one_question_is_open_at_a_time(harness: ManagedStreamHarness) -> None:
    assert [harness.send(), harness.send(), harness.send()] == [R, b"", b""]


def test_the_next_question_follows_the_answer_if_something_is_unacknowledged(harness: ManagedStreamHarness) -> None:
    harness.send()
    harness.send()
    assert harness.managed.acknowledged(1) == R
    assert harness.send() == b""
    assert harness.managed.acknowledged(3) == b""
    assert harness.send() == R


def test_an_impossible_answer_is_refused(harness: ManagedStreamHarness) -> None:
    harness.send()
    with pytest.raises(StreamError):
        harness.managed.acknowledged(2)


def test_there_is_room_until_too_much_is_unacknowledged_and_then_after_an_answer(harness: ManagedStreamHarness) -> None:
    harness.send(size=99)
    assert harness.managed.has_room
    harness.send(size=99)
    assert not harness.managed.has_room
    room = harness.managed.room()
    harness.managed.acknowledged(0)
    assert not room.called
    harness.managed.acknowledged(1)
    assert room.called


def test_the_end_of_the_stream_frees_who_waits_for_room(harness: ManagedStreamHarness) -> None:
    room = harness.managed.room()
    harness.managed.close()
    assert room.called


def test_what_comes_is_counted_since_both_sides_have_enabled_it(harness: ManagedStreamHarness) -> None:
    harness.managed.handled(3)
    harness.managed.counts = True
    harness.managed.handled(4)
    assert harness.managed.acknowledgements.h == 4


def test_who_does_not_answer_is_noticed_once_patience_ends(harness: ManagedStreamHarness) -> None:
    harness.send()
    harness.clock.advance(59)
    assert harness.silences == []
    harness.clock.advance(1)
    assert harness.silences == [60]


def test_patience_is_for_the_question_that_is_open(harness: ManagedStreamHarness) -> None:
    harness.send()
    harness.clock.advance(50)
    harness.managed.acknowledged(1)
    harness.send()
    harness.clock.advance(50)
    assert harness.silences == []
    harness.clock.advance(10)
    assert harness.silences == [110]


def test_an_answered_question_leaves_no_timer_that_goes_on(harness: ManagedStreamHarness) -> None:
    harness.send()
    harness.managed.acknowledged(1)
    harness.clock.advance(60)
    assert (harness.silences, harness.clock.getDelayedCalls()) == ([], [])


def test_the_end_of_the_stream_leaves_no_timer(harness: ManagedStreamHarness) -> None:
    harness.send()
    harness.managed.close()
    assert harness.clock.getDelayedCalls() == []


def test_what_would_not_survive_a_crash_is_not_acknowledged(harness: ManagedStreamHarness) -> None:
    managed = harness.managed
    managed.counts = True
    unsafe: Deferred[None] = Deferred()
    managed.handled(2)
    told = managed.handled(3, unsafe)
    managed.handled(1)
    assert managed.asked() == 2, "what came behind it waits, too: h counts in order"
    assert told is not None
    assert not told.called
    unsafe.callback(None)
    assert told.called, "the answer comes without a second request"
    assert managed.asked() == 6


def test_nobody_is_told_who_has_not_asked(harness: ManagedStreamHarness) -> None:
    harness.managed.counts = True
    unsafe: Deferred[None] = Deferred()
    told = harness.managed.handled(1, unsafe)
    unsafe.callback(None)
    assert told is not None
    assert not told.called
    assert harness.managed.asked() == 1
