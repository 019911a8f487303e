"""StreamLog, and what it writes: steps with their times, one verdict, and sentences that say what mends a failure."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from gateway.notices.attempts.records import (
    Attempt,
    AttemptStep,
    AttemptUnderWay,
    Direction,
    FirstStanza,
    Kind,
    StreamEnded,
)
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import ADVICE, Verdict
from gateway.notices.notices import Level, Notice, StanzasPassed


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.advance(100)
    return clock


@pytest.fixture
def told() -> list[Notice]:
    return []


@pytest.fixture
def log(clock: Clock, told: list[Notice]) -> StreamLog:
    return StreamLog(told.append, clock.seconds, 7, Direction.OUT, local="im.test", remote="far.test")


def test_each_step_begins_where_the_one_before_ended(log: StreamLog, clock: Clock) -> None:
    clock.advance(2)
    log.step(AttemptStep.RESOLVE, "one address")
    clock.advance(3)
    log.step(AttemptStep.CONNECT, "refused", ok=False)
    log.end(Verdict.UNREACHABLE, "192.0.2.1:5269 refused")
    record = log.record
    assert record is not None
    assert [(step.began, step.seconds, step.ok) for step in record.steps] == [(100, 2, True), (102, 3, False)]
    assert (record.began, record.seconds) == (100, 5)


def test_a_failure_says_what_happened_on_whose_side_and_what_mends_it(log: StreamLog) -> None:
    log.step(AttemptStep.CONNECT, "refused", ok=False)
    log.end(Verdict.UNREACHABLE, "192.0.2.1:5269 refused")
    assert log.record is not None
    sentence = log.record.sentence
    assert sentence.startswith("stream from im.test to far.test failed after 0.00 s at connect: 192.0.2.1:5269 refused")
    assert "the cause is on theirs side" not in sentence
    assert "the cause is theirs" in sentence
    assert "Their server is not running" in sentence
    assert log.record.level is Level.WARN


def test_only_the_first_verdict_counts(log: StreamLog, told: list[Notice]) -> None:
    log.end(Verdict.ESTABLISHED)
    log.step(AttemptStep.PROOF, "too late")
    log.end(Verdict.CONNECTION_LOST)
    assert [notice.verdict for notice in told if isinstance(notice, Attempt)] == [Verdict.ESTABLISHED]
    assert log.record is not None
    assert log.record.steps == ()


def test_what_is_under_way_is_told_step_by_step(log: StreamLog, told: list[Notice]) -> None:
    log.doing("connecting to 192.0.2.1")
    waiting = told[-1].attempt  # type: ignore[attr-defined]
    log.step(AttemptStep.CONNECT, "to 192.0.2.1")
    connected = told[-1].attempt  # type: ignore[attr-defined]
    assert all(isinstance(notice, AttemptUnderWay) for notice in told)
    assert (waiting.doing, waiting.steps, waiting.verdict) == ("connecting to 192.0.2.1", (), Verdict.UNDER_WAY)
    assert [step.step for step in connected.steps] == [AttemptStep.CONNECT]


def test_the_first_stanza_is_a_step_and_the_others_are_not(log: StreamLog, told: list[Notice], clock: Clock) -> None:
    log.stanzas("went out")
    log.end(Verdict.ESTABLISHED)
    clock.advance(4)
    log.stanzas("went out")
    log.stanzas("went out")
    firsts = [notice for notice in told if isinstance(notice, FirstStanza)]
    assert [(first.record.step, first.record.seconds) for first in firsts] == [(AttemptStep.FIRST_STANZA, 4)]


def test_only_the_end_of_an_established_stream_is_told(log: StreamLog, told: list[Notice], clock: Clock) -> None:
    log.end(Verdict.ESTABLISHED)
    clock.advance(60)
    log.stream_ended(10, 20, "the other side closed the stream")
    ended = told[-1]
    assert isinstance(ended, StreamEnded)
    assert ended.sentence.endswith("ended after 60 s, 10 bytes in, 20 out: the other side closed the stream")
    failed = StreamLog(told.append, clock.seconds, 8, Direction.IN)
    failed.end(Verdict.TIMEOUT)
    failed.stream_ended(0, 0, "")
    assert told[-1] is failed.record


@pytest.mark.parametrize(
    ("direction", "kind", "who"),
    [
        (Direction.OUT, Kind.SERVER, "stream from im.test to far.test"),
        (Direction.OUT, Kind.KEYS, "stream from im.test to far.test, to verify a key"),
        (Direction.IN, Kind.SERVER, "stream from far.test to im.test"),
        (Direction.IN, Kind.COMPONENT, "component far.test"),
    ],
)
def test_a_stream_is_called_by_those_whom_it_connects(clock: Clock, direction: Direction, kind: Kind, who: str) -> None:
    log = StreamLog(lambda _: None, clock.seconds, 1, direction, kind=kind, local="im.test", remote="far.test")
    log.end(Verdict.ESTABLISHED)
    assert log.record is not None
    assert log.record.who == who


def test_h_42_little_is_kept_of_what_the_other_side_says(log: StreamLog) -> None:
    log.step(AttemptStep.NEGOTIATION, "x" * 100_000, ok=False, offered="y" * 100_000)
    log.end(Verdict.CLOSED_BY_PEER, "z" * 100_000)
    assert log.record is not None
    assert len(log.record.sentence) < 1500
    assert len(repr(log.record)) < 3000


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_is_explained_and_every_failure_can_be_mended(verdict: Verdict) -> None:
    advice = ADVICE[verdict]
    assert advice.meaning
    assert verdict.is_failure == bool(advice.mend) == bool(advice.side)
    assert verdict is Verdict.UNDER_WAY or not advice.mend or advice.mend.endswith(".")


def test_batches_are_told_with_their_way_and_kind(told: list[Notice], clock: Clock) -> None:
    log = StreamLog(
        told.append, clock.seconds, 1, Direction.IN, kind=Kind.CLIENT, local="im.test", remote="ann@im.test"
    )
    log.passed([], 40, came_in=True)
    log.passed([], 60, came_in=False)
    passed = [notice for notice in told if isinstance(notice, StanzasPassed)]
    assert [(each.came_in, each.via, each.source, each.target, each.size) for each in passed] == [
        (True, "client", "ann@im.test", "im.test", 40),
        (False, "client", "im.test", "ann@im.test", 60),
    ]
