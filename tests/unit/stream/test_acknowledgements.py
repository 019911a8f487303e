"""Counters and queue of stream management."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.stream.acknowledgements import MODULUS, Acknowledgements
from gateway.xmpp.errors import StreamCondition, StreamError


def filled(*batches: str) -> Acknowledgements[str]:
    acknowledgements: Acknowledgements[str] = Acknowledgements(most_bytes=10)
    for batch in batches:
        acknowledgements.add(batch, len(batch))
    return acknowledgements


def test_what_is_sent_waits_in_order() -> None:
    assert filled("ab", "c").unacknowledged() == ["a", "b", "c"]


def test_acknowledged_stanzas_wait_no_longer() -> None:
    acknowledgements = filled("ab", "cd")
    assert acknowledgements.acknowledge(3) == ["a", "b", "c"]
    assert acknowledgements.unacknowledged() == ["d"]


def test_an_h_that_was_told_before_is_nothing_new() -> None:
    acknowledgements = filled("abc")
    acknowledgements.acknowledge(2)
    assert acknowledgements.acknowledge(2) == []


@pytest.mark.parametrize("h", [4, MODULUS - 1])
def test_more_than_was_sent_cannot_be_acknowledged(h: int) -> None:
    with pytest.raises(StreamError) as raised:
        filled("abc").acknowledge(h)
    assert raised.value.condition is StreamCondition.UNDEFINED_CONDITION
    assert raised.value.detail.attributes == {"h": str(h), "send-count": "3"}


def test_less_than_before_cannot_be_acknowledged() -> None:
    acknowledgements = filled("abc")
    acknowledgements.acknowledge(2)
    with pytest.raises(StreamError):
        acknowledgements.acknowledge(1)


def test_bytes_are_given_back_with_the_last_stanza_of_their_batch() -> None:
    acknowledgements = filled("abcdef", "ghij")
    assert acknowledgements.is_full
    acknowledgements.acknowledge(5)
    assert acknowledgements.is_full
    acknowledgements.acknowledge(6)
    assert (acknowledgements.is_full, acknowledgements.waiting_bytes) == (False, 4)


def test_what_is_taken_back_counts_as_never_sent() -> None:
    acknowledgements = filled("abc")
    acknowledgements.acknowledge(1)
    assert acknowledgements.take_back() == ["b", "c"]
    assert (acknowledgements.sent, len(acknowledgements), acknowledgements.waiting_bytes) == (1, 0, 0)
    acknowledgements.add("x", 1)
    assert acknowledgements.acknowledge(2) == ["x"]


def test_h_starts_again_from_zero_after_two_to_the_power_of_32() -> None:
    acknowledgements: Acknowledgements[str] = Acknowledgements()
    acknowledgements.handled(MODULUS - 1)
    assert acknowledgements.h == MODULUS - 1
    acknowledgements.handled(2)
    assert acknowledgements.h == 1


def test_the_other_sides_h_starts_again_from_zero() -> None:
    acknowledgements: Acknowledgements[int] = Acknowledgements()
    acknowledgements._acknowledged = MODULUS - 2  # nobody has time to send that many
    acknowledgements.add([1, 2, 3, 4], 4)
    assert acknowledgements.acknowledge(MODULUS - 1) == [1]
    assert acknowledgements.acknowledge(1) == [2, 3]
    assert acknowledgements.unacknowledged() == [4]


@given(st.lists(st.integers(0, 5)), st.lists(st.integers(0, 7)))
def test_nothing_is_lost_and_nothing_is_kept_twice(batches: list[int], steps: list[int]) -> None:
    acknowledgements: Acknowledgements[int] = Acknowledgements()
    numbers = iter(range(1000))
    for size in batches:
        batch = [next(numbers) for _ in range(size)]
        acknowledgements.add(batch, size)
    sent, h = sum(batches), 0
    for step in steps:
        h = min(h + step, sent)
        acknowledgements.acknowledge(h)
        assert acknowledgements.unacknowledged() == list(range(h, sent))
    acknowledgements.acknowledge(sent)
    assert acknowledgements.waiting_bytes == 0


def test_one_question_is_open_at_a_time() -> None:
    acknowledgements = filled("ab")
    assert acknowledgements.ask()
    assert not acknowledgements.ask()
    assert not acknowledgements.sent_since_asked
    acknowledgements.add("c", 1)
    assert acknowledgements.sent_since_asked
    acknowledgements.acknowledge(2)
    assert acknowledgements.ask()


def test_a_question_is_not_answered_on_another_connection() -> None:
    acknowledgements = filled("ab")
    acknowledgements.ask()
    acknowledgements.forget_question()
    assert acknowledgements.ask()
