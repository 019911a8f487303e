"""When what was written is taken for delivered: the table of the docstring."""

from __future__ import annotations

import pytest

from gateway.outbox.settlement import (
    GRACE_SECONDS,
    Proof,
    Settled,
    Settlement,
    SettlementMeans,
    SettlementState,
)

SILENCE = 65.0


def settlement(means: SettlementMeans) -> Settlement:
    return Settlement(means, SILENCE)


class TestManaged:
    def test_only_an_h_settles(self) -> None:
        managed = settlement(SettlementMeans.MANAGED)
        managed.written(5, 5, 0)
        managed.written(9, 4, 10)
        assert not managed.wants_ping(pressed=True)
        assert managed.due is None
        assert managed.passed(1e9) is None
        assert managed.acknowledged(5) == Settled(upto=5)
        assert managed.in_flight == 4
        assert managed.acknowledged(9) == Settled(upto=9)
        assert (managed.in_flight, managed.state) == (0, SettlementState.IDLE)

    def test_h_inside_a_batch_settles_what_it_covers(self) -> None:
        managed = settlement(SettlementMeans.MANAGED)
        managed.written(5, 5, 0)
        assert managed.acknowledged(3) == Settled(upto=3)
        assert managed.in_flight == 5

    def test_h_when_nothing_is_in_flight_settles_nothing(self) -> None:
        assert settlement(SettlementMeans.MANAGED).acknowledged(3) is None


class TestPinged:
    def test_answer_and_grace_settle_what_stood_before_the_ping(self) -> None:
        pinged = settlement(SettlementMeans.PINGED)
        pinged.written(5, 5, 0)
        assert pinged.wants_ping(pressed=False)
        pinged.asked(0)
        pinged.written(9, 4, 0.1)
        assert not pinged.wants_ping(pressed=True)  # one is open
        pinged.answered(0.5)
        assert pinged.read_upto == 5
        assert pinged.due == 0.5 + GRACE_SECONDS
        assert pinged.passed(0.5 + GRACE_SECONDS - 0.01) is None
        assert pinged.passed(0.5 + GRACE_SECONDS) == Settled(upto=5)
        assert (pinged.in_flight, pinged.state) == (4, SettlementState.WRITTEN)
        assert pinged.wants_ping(pressed=False)

    def test_next_ping_waits_for_the_grace_unless_more_waits_to_be_sent(self) -> None:
        pinged = settlement(SettlementMeans.PINGED)
        pinged.written(5, 5, 0)
        pinged.asked(0)
        pinged.answered(1)
        pinged.written(9, 4, 1)
        assert not pinged.wants_ping(pressed=False)
        assert pinged.wants_ping(pressed=True)
        pinged.asked(1)
        pinged.answered(2)
        assert pinged.read_upto == 9
        assert pinged.passed(1 + GRACE_SECONDS) == Settled(upto=5)
        assert pinged.due == 2 + GRACE_SECONDS
        assert pinged.passed(2 + GRACE_SECONDS) == Settled(upto=9)
        assert (pinged.state, pinged.due) == (SettlementState.IDLE, None)

    def test_nothing_is_asked_when_nothing_is_left(self) -> None:
        pinged = settlement(SettlementMeans.PINGED)
        pinged.written(5, 5, 0)
        pinged.asked(0)
        pinged.answered(1)
        pinged.passed(10)
        assert (pinged.state, pinged.due) == (SettlementState.IDLE, None)
        assert not pinged.wants_ping(pressed=True)

    @pytest.mark.parametrize("written", [0, 1, 2])
    def test_answer_that_nobody_waits_for_says_nothing(self, written: int) -> None:
        pinged = settlement(SettlementMeans.PINGED)
        if written:
            pinged.written(5, 5, 0)
        if written > 1:
            pinged.asked(0)
            pinged.answered(1)
        before = (pinged.state, pinged.read_upto, pinged.due)
        pinged.answered(2)
        assert (pinged.state, pinged.read_upto, pinged.due) == before

    def test_peer_that_does_not_answer_is_settled_by_time_in_doubt_and_not_asked_again(self) -> None:
        pinged = settlement(SettlementMeans.PINGED)
        pinged.written(5, 5, 0)
        pinged.asked(1)
        pinged.written(9, 4, 30)
        assert pinged.due == 1 + SILENCE
        assert pinged.passed(1 + SILENCE) == Settled(upto=5, in_doubt=True)
        assert pinged.means is SettlementMeans.TIMED
        assert not pinged.wants_ping(pressed=True)
        assert pinged.due == 30 + SILENCE
        assert pinged.passed(30 + SILENCE) == Settled(upto=9, in_doubt=True)

    def test_break_leaves_what_is_unsettled_in_doubt(self) -> None:
        pinged = settlement(SettlementMeans.PINGED)
        pinged.written(5, 5, 0)
        pinged.asked(0)
        pinged.written(9, 4, 0)
        assert pinged.broke() == 9
        assert (pinged.state, pinged.in_flight, pinged.due) == (SettlementState.IDLE, 0, None)

    def test_what_was_taken_over_for_good_is_settled_at_once(self) -> None:
        pinged = settlement(SettlementMeans.PINGED)
        pinged.written(5, 5, 0)
        pinged.asked(0)
        pinged.written(9, 4, 0.1)
        assert pinged.answered(0.5, Proof.TAKEN_OVER) == Settled(upto=5)
        assert (pinged.in_flight, pinged.state, pinged.due) == (4, SettlementState.WRITTEN, None)

    def test_what_was_read_before_keeps_its_grace_when_more_is_taken_over(self) -> None:
        pinged = settlement(SettlementMeans.PINGED)
        pinged.written(5, 5, 0)
        pinged.asked(0)
        pinged.answered(1)
        pinged.written(9, 4, 1)
        pinged.asked(1)
        assert pinged.answered(2, Proof.TAKEN_OVER) is None
        assert pinged.passed(1 + GRACE_SECONDS) == Settled(upto=5)


class TestTimed:
    def test_time_settles_in_doubt(self) -> None:
        timed = settlement(SettlementMeans.TIMED)
        timed.written(5, 5, 0)
        timed.written(9, 4, 10)
        assert not timed.wants_ping(pressed=True)
        assert timed.due == SILENCE
        assert timed.passed(SILENCE - 1) is None
        assert timed.passed(SILENCE) == Settled(upto=5, in_doubt=True)
        assert timed.passed(SILENCE + 10) == Settled(upto=9, in_doubt=True)
        assert timed.due is None

    def test_busy_stream_has_one_batch_a_second_and_none_is_settled_early(self) -> None:
        timed = settlement(SettlementMeans.TIMED)
        for number in range(3000):
            timed.written(number + 1, 1, number / 1000)
        assert len(timed._batches) == 3
        settled = timed.passed(SILENCE + 1.5)
        assert settled is not None
        assert settled.upto <= 1500
        assert timed.in_flight >= 1499


def test_batch_that_a_ping_stands_behind_is_not_joined_by_what_is_written_later() -> None:
    pinged = settlement(SettlementMeans.PINGED)
    pinged.written(5, 5, 0)
    pinged.asked(0)
    pinged.written(6, 1, 0.1)
    pinged.written(7, 1, 0.2)
    pinged.answered(0.3)
    assert pinged.passed(10) == Settled(upto=5)
    assert pinged.in_flight == 2
