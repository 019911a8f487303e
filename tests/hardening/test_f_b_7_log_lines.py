"""B-7: whatever strangers make us log has a cause, and each cause and all together have a share of the log."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.logger import Logger, LogPublisher

from gateway.notices.attempts.records import AttemptStep, Direction, Kind
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import Publish
from gateway.operations.log import Shares, log_observer, notice_log
from gateway.xmpp.addresses import Domain, DomainPair

PER_MINUTE = 30


class Log:
    """A log as `tap` sets it up, in memory."""

    def __init__(self, level: str = "info") -> None:
        self.clock = Clock()
        self.out = io.StringIO()
        shares = Shares(PER_MINUTE, self.clock.seconds)
        publisher = LogPublisher(log_observer(self.out, form="text", level=level, shares=shares))
        self.logger = Logger("gateway", observer=publisher)
        self.publish: Publish = notice_log(level, self.logger, shares)

    @property
    def lines(self) -> list[str]:
        return self.out.getvalue().splitlines()


def attempt(log: Log, number: int, direction: Direction, kind: Kind = Kind.SERVER, **facts: Any) -> StreamLog:
    return StreamLog(log.publish, log.clock.seconds, number, direction, kind=kind, **facts)


def refused_pairs(log: Log) -> None:
    stream = attempt(log, 1, Direction.IN, remote="peer.test", address="192.0.2.1:40000")
    stream.end(Verdict.ESTABLISHED)
    for number in range(2000):
        pair = DomainPair(Domain(f"{number}.test"), Domain("ours.test"))
        stream.further_pair(pair, "by dialback: refused", ok=False)


def outgoing_attempts(log: Log) -> None:
    for number in range(2000):
        attempt(log, number, Direction.OUT, local="ours.test", remote=f"n{number}.evil.test").end(Verdict.UNREACHABLE)


def questions_about_keys(log: Log) -> None:
    for number in range(2000):
        attempt(log, number, Direction.OUT, Kind.KEYS, remote=f"n{number}.evil.test").end(Verdict.UNREACHABLE)


def addresses_of_one_customer(log: Log) -> None:
    for number in range(2000):
        attempt(log, number, Direction.IN, address=f"[2001:db8::{number:x}]:1").end(Verdict.REFUSED_BY_US)


def steps(log: Log) -> None:
    stream = attempt(log, 1, Direction.IN, remote="peer.test", address="192.0.2.1:40000")
    for _ in range(2000):
        stream.step(AttemptStep.PROOF, "a key is not valid")


def tracebacks(log: Log) -> None:
    for number in range(1500):
        try:
            raise ValueError(f"said by a peer: {number}")
        except ValueError:
            log.logger.failure("Echo failed on a stanza: message")


@pytest.mark.parametrize(
    "flood",
    [refused_pairs, outgoing_attempts, questions_about_keys, addresses_of_one_customer, steps],
    ids=lambda flood: flood.__name__,
)
@pytest.mark.parametrize("level", ["info", "debug"])
def test_f_b_7_one_cause_writes_no_more_than_its_share(flood: Callable[[Log], None], level: str) -> None:
    """A flood of one kind is held to the lines of its cause, and another domain is told of as before."""
    log = Log(level)
    flood(log)
    assert len(log.lines) <= PER_MINUTE + 1
    attempt(log, 9999, Direction.OUT, local="ours.test", remote="good.test").end(Verdict.UNREACHABLE)
    assert "good.test" in log.lines[-1]


def test_f_b_7_tracebacks_from_one_place_are_few_and_the_others_counted() -> None:
    """An exception that every message can raise fills no disk."""
    log = Log()
    tracebacks(log)
    assert sum("Traceback" in line for line in log.lines) == 10
    log.clock.advance(61)
    tracebacks(log)
    assert any("1490 more lines like the next one were left out" in line for line in log.lines)


def test_f_b_7_many_causes_write_no_more_than_all_may_together() -> None:
    """A flood from ten thousand addresses is bounded, too, and the next minute starts again."""
    log = Log()
    for number in range(10_000):
        address = f"10.{number // 256}.{number % 256}.1:1"
        attempt(log, number, Direction.IN, address=address).end(Verdict.REFUSED_BY_US)
    assert len(log.lines) == 10 * PER_MINUTE
    log.clock.advance(61)
    attempt(log, 1, Direction.OUT, local="ours.test", remote="good.test").end(Verdict.UNREACHABLE)
    assert "good.test" in log.lines[-1]
