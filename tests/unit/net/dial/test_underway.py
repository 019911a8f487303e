"""StreamsUnderway: a limited number of streams to one address at a time, and the others in turn."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from gateway.net.dial.underway import MOST_QUESTIONS_UNDERWAY, MOST_TURNS, MOST_UNDERWAY, StreamsUnderway

HOST, PORT = "192.0.2.1", 5269


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def underway(clock: Clock) -> StreamsUnderway:
    """One that has as many streams under way to HOST as there may be."""
    underway = StreamsUnderway(clock)
    assert all(begun(underway).called for _ in range(MOST_UNDERWAY))
    return underway


def begun(underway: StreamsUnderway, host: str = HOST, port: int = PORT, *, asks: bool = False) -> Deferred[None]:
    turn = underway.begin(host, port, asks=asks)
    assert turn is not None
    return turn


def test_further_ones_wait_in_order(underway: StreamsUnderway, clock: Clock) -> None:
    first, second = begun(underway), begun(underway)
    assert not first.called
    underway.end(HOST, PORT)
    clock.advance(0)
    assert (first.called, second.called) == (True, False)
    underway.end(HOST, PORT)
    clock.advance(0)
    assert second.called


def test_other_addresses_do_not_wait(underway: StreamsUnderway) -> None:
    assert begun(underway, "192.0.2.2").called
    assert begun(underway, port=5270).called


def test_questions_that_strangers_have_us_ask_leave_half_of_a_place(clock: Clock) -> None:
    underway = StreamsUnderway(clock)
    questions = [begun(underway, asks=True) for _ in range(MOST_UNDERWAY)]
    assert [question.called for question in questions].count(True) == MOST_QUESTIONS_UNDERWAY
    assert all(begun(underway).called for _ in range(MOST_UNDERWAY - MOST_QUESTIONS_UNDERWAY))


def test_streams_for_stanzas_have_their_turn_before_questions(underway: StreamsUnderway, clock: Clock) -> None:
    question, stanza = begun(underway, asks=True), begun(underway)
    underway.end(HOST, PORT)
    clock.advance(0)
    assert (stanza.called, question.called) == (True, False)
    underway.end(HOST, PORT)
    clock.advance(0)
    assert question.called


def test_those_of_one_network_count_as_one(clock: Clock) -> None:
    underway = StreamsUnderway(clock)
    turns = [begun(underway, f"2001:db8::{number:x}") for number in range(MOST_UNDERWAY + 1)]
    assert [turn.called for turn in turns].count(False) == 1


def test_who_gives_up_loses_the_turn_and_no_place(underway: StreamsUnderway, clock: Clock) -> None:
    impatient, patient = begun(underway), begun(underway)
    impatient.addErrback(lambda failure: failure.trap(CancelledError)).cancel()
    underway.end(HOST, PORT)
    clock.advance(0)
    assert patient.called


def test_a_place_that_nobody_wants_any_more_is_free(underway: StreamsUnderway, clock: Clock) -> None:
    turn = begun(underway).addErrback(lambda failure: failure.trap(CancelledError))
    underway.end(HOST, PORT)
    turn.cancel()
    clock.advance(0)
    assert begun(underway).called


def test_only_so_many_wait(underway: StreamsUnderway) -> None:
    for _ in range(MOST_TURNS):
        begun(underway)
    assert underway.begin(HOST, PORT) is None


def test_nothing_is_left_behind(clock: Clock) -> None:
    underway = StreamsUnderway(clock)
    for asks in (False, True):
        for _ in range(2 * MOST_UNDERWAY):
            begun(underway, asks=asks)
    for asks in (False, True):
        for _ in range(2 * MOST_UNDERWAY):
            underway.end(HOST, PORT, asks=asks)
            clock.advance(0)
    assert not underway._places
