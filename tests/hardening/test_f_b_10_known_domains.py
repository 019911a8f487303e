"""B-10: names that anybody can make up push nothing out of the history that was proved or that we tried ourselves."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from twisted.internet.task import Clock

from gateway.notices.attempts.records import AttemptStep, Direction, Kind
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.operations.history import History

numbers = count(1)
Flood = Callable[[History, int], None]


def end(
    history: History, remote: str, verdict: Verdict, direction: Direction, kind: Kind = Kind.SERVER, address: str = ""
) -> None:
    log = StreamLog(
        history.notice, Clock().seconds, next(numbers), direction, kind=kind, local="ours.test", remote=remote
    )
    log.address = address
    log.step(AttemptStep.PROOF, "x" * 400)
    log.end(verdict)


def invented_senders_that_ask_about_a_key(history: History, number: int) -> None:
    end(history, f"n{number}.test", Verdict.QUESTIONS_ANSWERED, Direction.IN, address="192.0.2.1:1")


def servers_that_we_are_made_to_ask(history: History, number: int) -> None:
    end(history, f"x{number}.evil.test", Verdict.DNS_FAILED, Direction.OUT, Kind.KEYS)


def streams_that_we_closed_before_a_proof(history: History, number: int) -> None:
    end(history, f"n{number}.test", Verdict.CLOSED_BY_US, Direction.IN, address="192.0.2.1:1")


def names_below_one_domain_that_were_proved(history: History, number: int) -> None:
    end(history, f"n{number}.evil.test", Verdict.ESTABLISHED, Direction.IN, address="192.0.2.1:1")


@pytest.mark.parametrize(
    "flood",
    [
        invented_senders_that_ask_about_a_key,
        servers_that_we_are_made_to_ask,
        streams_that_we_closed_before_a_proof,
        names_below_one_domain_that_were_proved,
    ],
    ids=lambda flood: flood.__name__,
)
def test_f_b_10_a_flood_of_names_leaves_known_domains_where_they_are(flood: Flood) -> None:
    """Our attempts, proved domains and the last failures are still known after ten thousand invented names."""
    history = History(domains=50, strangers=10, failures=20)
    for number in range(10):
        end(history, f"good{number}.net", Verdict.ESTABLISHED, Direction.IN)
        end(history, f"far{number}.org", Verdict.UNREACHABLE, Direction.OUT)
    for number in range(10_000):
        flood(history, number)
    for number in range(10):
        assert history.of(f"good{number}.net")
        assert history.of(f"far{number}.org")
    assert {f"far{number}.org" for number in range(10)} <= {attempt.remote for attempt in history.failures()}


def test_f_b_10_one_stranger_does_not_push_out_another() -> None:
    """Of the names that strangers use, those of the address that uses most are forgotten."""
    history = History(strangers=10)
    end(history, "honest.test", Verdict.NOT_TRUSTED, Direction.IN, address="198.51.100.1:1")
    for number in range(1000):
        end(history, f"n{number}.test", Verdict.NOT_TRUSTED, Direction.IN, address="192.0.2.1:1")
    assert history.of("honest.test")
