"""The cost of what is remembered of a stream, in calls: counted exactly, so that it does not grow unnoticed."""

from __future__ import annotations

from twisted.internet.task import Clock

from gateway.notices.attempts.proofs import Proofs
from gateway.notices.attempts.records import AttemptStep, Direction
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import Board
from gateway.operations.fates import Fates
from gateway.operations.history import History
from tests.support.calls import calls_of

MOST_CALLS = 330
"""A quarter more than when this was written, calls of built-in functions included."""


def life(board: Board, clock: Clock, number: int) -> None:
    """A stream that a server opens, proves, uses once and ends."""
    log = StreamLog(
        board.publish, clock.seconds, number, Direction.IN, local="im.test", remote="far.test", address="192.0.2.1:5269"
    )
    log.step(AttemptStep.TLS, "TLSv1.3", required="TLS")
    log.step(AttemptStep.CERTIFICATE, "proves far.test", offered="for far.test")
    log.step(AttemptStep.PROOF, "by external")
    log.end(Verdict.ESTABLISHED, proofs=Proofs("external", "shown"))
    log.stanzas("came in")
    log.stream_ended(100, 100, "the other side closed the stream")


def test_a_stream_costs_history_and_fates_a_bounded_number_of_calls() -> None:
    board, clock = Board(), Clock()
    history, fates = History(), Fates(clock.seconds)
    board.subscribe(history.notice, *History.KINDS)
    board.subscribe(fates.notice, *Fates.KINDS)
    for number in range(20):  # until the history of the domain is full
        life(board, clock, number)
    calls = calls_of(lambda: life(board, clock, 20))
    assert history.of("far.test")[0].number == 20
    assert calls <= MOST_CALLS
