"""B-2: the record of an attempt, and all records together, stay within bounds whatever is repeated."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import count

from twisted.internet.task import Clock

from gateway.notices.attempts.records import AttemptStep, Direction
from gateway.notices.attempts.stream_log import MOST_STEPS, StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.operations.history import History

numbers = count(1)


def attempt(history: History, remote: str, address: str = "192.0.2.1:1") -> StreamLog:
    return StreamLog(history.notice, Clock().seconds, next(numbers), Direction.IN, remote=remote, address=address)


def test_f_b_2_steps_that_are_repeated_are_counted_and_not_kept() -> None:
    """A hundred thousand refused proofs leave the first steps, the latest one, and a number."""
    history = History()
    log = attempt(history, "peer.test")
    for number in range(100_000):
        log.step(AttemptStep.PROOF, f"key {number} is not valid")
    [now] = history.under_way()
    assert len(now.steps) == MOST_STEPS
    assert now.steps[0].told == "key 0 is not valid"
    assert now.steps[-1].told == f"({100_000 - MOST_STEPS} earlier steps are left out) key 99999 is not valid"
    assert len(json.dumps(asdict(now))) < 10_000


def test_f_b_2_all_records_together_have_a_bound_in_bytes() -> None:
    """Records as large as strangers can make them push out each other long before they fill the memory."""
    history = History(most_bytes=1_000_000)
    attempt(history, "small.test", "198.51.100.1:1").end(Verdict.NOT_TRUSTED)
    for number in range(3000):
        log = attempt(history, f"n{number % 400}.test")
        for _ in range(MOST_STEPS):
            log.step(AttemptStep.PROOF, "🩷" * 1000, offered="🩷" * 1000)
        log.end(Verdict.NOT_TRUSTED)
    names = ["small.test", *(f"n{number}.test" for number in range(400))]
    kept = {id(each): each for name in names for each in history.of(name)}
    kept |= {id(each): each for each in history.failures()}
    assert sum(len(json.dumps(asdict(each), ensure_ascii=False)) * 4 for each in kept.values()) < 1_500_000
    assert history.of("small.test")
