"""The history of attempts: the last ones of each domain, bounded, and out of strangers' reach."""

from __future__ import annotations

from itertools import count

import pytest
from twisted.internet.task import Clock

from gateway.notices.attempts.records import Attempt, AttemptStep, Direction, Kind
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.operations.history import History

numbers = count(1)


@pytest.fixture
def history() -> History:
    return History(domains=3, strangers=2, attempts=2, failures=4)


def begin(history: History, remote: str, direction: Direction = Direction.OUT, kind: Kind = Kind.SERVER) -> StreamLog:
    return StreamLog(
        history.notice, Clock().seconds, next(numbers), direction, kind=kind, local="im.test", remote=remote
    )


def fail(
    history: History,
    remote: str,
    direction: Direction = Direction.OUT,
    kind: Kind = Kind.SERVER,
    verdict: Verdict = Verdict.TIMEOUT,
) -> Attempt:
    log = begin(history, remote, direction, kind)
    if kind in (Kind.COMPONENT, Kind.CLIENT):
        log.local = remote
    log.end(verdict)
    assert log.record is not None
    return log.record


def test_the_last_attempts_of_a_domain_are_kept_the_latest_first(history: History) -> None:
    _, second, third = (fail(history, "far.test") for _ in range(3))
    assert history.of("far.test") == [third, second]


def test_the_domain_heard_of_longest_ago_is_forgotten(history: History) -> None:
    for name in ("a.test", "b.test", "c.test", "a.test", "d.test"):
        fail(history, name)
    assert [bool(history.of(name)) for name in ("a.test", "b.test", "c.test", "d.test")] == [True, False, True, True]


def test_strangers_push_out_nothing_but_strangers(history: History) -> None:
    ours = fail(history, "far.test")
    for number in range(100):
        fail(history, f"stranger{number}.test", Direction.IN)
    assert history.of("far.test") == [ours]
    assert [bool(history.of(f"stranger{number}.test")) for number in (97, 98, 99)] == [False, True, True]


@pytest.mark.parametrize("kind", [Kind.COMPONENT, Kind.CLIENT])
def test_nor_do_those_who_ask_for_domains_that_are_not_here(history: History, kind: Kind) -> None:
    ours = fail(history, "bridge.test", Direction.IN, Kind.COMPONENT, Verdict.WRONG_SECRET)
    for number in range(100):
        fail(history, f"stranger{number}.test", Direction.IN, kind, Verdict.REFUSED_BY_US)
    assert history.of("bridge.test") == [ours]
    assert [bool(history.of(f"stranger{number}.test")) for number in (97, 98, 99)] == [False, True, True]


def test_the_last_failures_of_all_are_kept(history: History) -> None:
    failures = [fail(history, f"{number}.test") for number in range(6)]
    assert history.failures() == failures[:1:-1]


def test_an_attempt_under_way_is_found_with_what_is_being_waited_for(history: History) -> None:
    log = begin(history, "slow.test")
    log.doing("connecting to 192.0.2.1")
    [attempt] = history.of("slow.test")
    assert (attempt.verdict, attempt.doing) == (Verdict.UNDER_WAY, "connecting to 192.0.2.1")
    log.end(Verdict.NO_ANSWER)
    assert history.under_way() == []
    assert [each.verdict for each in history.of("slow.test")] == [Verdict.NO_ANSWER]


def test_the_first_stanza_becomes_the_last_step(history: History) -> None:
    log = begin(history, "far.test")
    log.step(AttemptStep.CONNECT, "to 192.0.2.1")
    log.end(Verdict.ESTABLISHED)
    log.stanzas("went out")
    [attempt] = history.of("far.test")
    assert [step.step for step in attempt.steps] == [AttemptStep.CONNECT, AttemptStep.FIRST_STANZA]
    assert history.find(attempt.number) == attempt


def test_components_are_found_under_their_own_domain(history: History) -> None:
    log = begin(history, "bridge.test", Direction.IN, Kind.COMPONENT)
    log.local = "bridge.test"
    log.end(Verdict.WRONG_SECRET)
    assert [attempt.verdict for attempt in history.of("bridge.test")] == [Verdict.WRONG_SECRET]


def test_how_a_stream_ended_is_kept_with_its_attempt_and_its_steps(history: History) -> None:
    log = begin(history, "far.test")
    log.step(AttemptStep.CONNECT, "to 192.0.2.1:5269")
    log.end(Verdict.ESTABLISHED)
    log.stanzas("went out")
    log.stream_ended(10, 20, "policy-violation: you are on our list", Verdict.CLOSED_BY_PEER)
    [kept] = history.of("far.test")
    assert [step.step for step in kept.steps] == [AttemptStep.CONNECT, AttemptStep.FIRST_STANZA]
    assert (kept.verdict, kept.outcome) == (Verdict.ESTABLISHED, Verdict.CLOSED_BY_PEER)
    assert kept.what_happened == "policy-violation: you are on our list"
    assert [each.number for each in history.failures()] == [kept.number]
