"""ServerSession: what inbound and outbound streams between servers have in common.

It follows the stream's events, writes them into the attempt record, and holds the questions to an authoritative server
that were put on this stream. Which events exist and what becomes of each is the table `_ON`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred

from gateway.addresses import DomainPair
from gateway.errors import StreamCondition
from gateway.features.dialback import Dialback
from gateway.federation.attempts import AttemptLog, Direction, Step, Verdict
from gateway.federation.verification import Questions
from gateway.sessions import Connection
from gateway.stream.events import (
    CloseTransport,
    KeyAnswered,
    NegotiationCompleted,
    PairChecked,
    PairRefused,
    PairVerified,
    ProofFailed,
    Secured,
    StreamClosed,
    StreamErrorReceived,
    StreamOpened,
    VerificationAnswered,
)
from gateway.stream.facts import Facts
from gateway.stream.stream import Output

# What our own stream errors say about an attempt; all others are `refused-by-us`.
_VERDICTS = {
    StreamCondition.CONNECTION_TIMEOUT: Verdict.TIMEOUT,
    StreamCondition.NOT_AUTHORIZED: Verdict.NOT_TRUSTED,
    StreamCondition.UNSUPPORTED_FEATURE: Verdict.PROOF_REFUSED,
}


class ServerSession:
    """One stream to or from another server."""

    def __init__(self, attempt: AttemptLog, dialback: Dialback) -> None:
        self.attempt = attempt
        self.connection: Connection | None = None
        self._dialback = dialback
        self._questions = Questions()
        self._last_error = ""
        self._answered_keys = False
        self.closed_properly = False
        self._on: dict[type, Callable[[Any], None]] = {
            Secured: self._secured,
            StreamOpened: self._opened,
            PairVerified: self._pair_verified,
            ProofFailed: self._proof_failed,
            PairRefused: self._pair_refused,
            VerificationAnswered: self._questions.answered,
            KeyAnswered: self._key_answered,
            NegotiationCompleted: self._established,
            StreamErrorReceived: self._error_received,
            CloseTransport: self._closing,
            StreamClosed: self._closed,
        }

    @property
    def facts(self) -> Facts:
        """What has been shown on the stream."""
        assert self.connection is not None
        return self.connection.stream.facts

    @property
    def is_usable(self) -> bool:
        """Whether the stream is established and open in both directions."""
        return self.connection is not None and self.connection.stream.is_established

    def ask(self, pair: DomainPair, stream_id: str, key: str) -> Deferred[PairChecked]:
        """Put a question about a dialback key on this stream, which leads to the authoritative server."""
        assert self.connection is not None
        wait = self._questions.put(pair, stream_id)
        if not wait.called:
            self.connection.perform(lambda facts: self._dialback.ask(facts, pair, stream_id, key))
        return wait

    # -- as a Session ------------------------------------------------------------------------------------------------

    def connected(self, connection: Connection) -> None:
        self.connection = connection
        self.attempt.address = connection.peer_address
        if self.attempt.direction is Direction.OUT:
            self.attempt.step(Step.CONNECT, f"to {connection.peer_address}")

    def happened(self, output: Output) -> None:
        action = self._on.get(type(output))
        if action is not None:
            action(output)

    def lost(self, reason: str) -> None:
        self._questions.lost(reason)
        if self.attempt.is_open and self._answered_keys and not self._last_error:
            self.attempt.end(Verdict.QUESTIONS_ANSWERED)
        elif self.attempt.is_open:
            verdict = Verdict.TLS_FAILED if reason.startswith("TLS") else Verdict.CONNECTION_LOST
            self.attempt.end(verdict, self._last_error or reason)

    # -- events ------------------------------------------------------------------------------------------------------

    def _secured(self, secured: Secured) -> None:
        self.attempt.step(Step.TLS, f"{secured.tls.version} with {secured.tls.cipher}")
        remote = self.facts.remote
        if remote is not None and secured.certificate is not None:
            why_not = secured.certificate.why_not(remote)
            self.attempt.step(Step.CERTIFICATE, why_not or f"proves {remote}", ok=not why_not)

    def _opened(self, opened: StreamOpened) -> None:
        self.attempt.local = self.facts.local or ""
        self.attempt.remote = self.facts.remote or ""

    def _pair_verified(self, verified: PairVerified) -> None:
        self.attempt.step(Step.PROOF, f"by {verified.means}")

    def _proof_failed(self, failed: ProofFailed) -> None:
        told = f": {failed.text}" if failed.text else ""
        self.attempt.step(Step.PROOF, f"by {failed.means} refused ({failed.condition}{told})", ok=False)

    def _pair_refused(self, refused: PairRefused) -> None:
        told = f": {refused.text}" if refused.text else ""
        self._last_error = f"dialback for {refused.pair.sender} was refused ({refused.condition}{told})"
        self.attempt.step(Step.PROOF, f"by dialback refused ({refused.condition}{told})", ok=False)

    def _key_answered(self, answered: KeyAnswered) -> None:
        self._answered_keys = True
        told = "valid" if answered.valid else "not valid" if answered.known else "of no domain of ours"
        self.attempt.step(Step.PROOF, f"a key of {answered.pair.sender} towards {answered.pair.target} is {told}")

    def _established(self, _: NegotiationCompleted) -> None:
        self.attempt.end(Verdict.ESTABLISHED)

    def _error_received(self, error: StreamErrorReceived) -> None:
        told = f": {error.text}" if error.text else ""
        self._last_error = f"the other side ended the stream with {error.condition}{told}"
        self.attempt.step(Step.NEGOTIATION, self._last_error, ok=False)
        self.attempt.end(Verdict.CLOSED_BY_PEER, self._last_error)

    def _closed(self, _: StreamClosed) -> None:
        self.closed_properly = not self._last_error

    def _closing(self, closing: CloseTransport) -> None:
        if closing.error is None:
            return
        error = closing.error
        self._last_error = self._last_error or f"we ended the stream with {error}"
        self.attempt.step(Step.NEGOTIATION, f"we ended it with {error.condition}: {error.reason}", ok=False)
        self.attempt.end(_VERDICTS.get(error.condition, Verdict.REFUSED_BY_US), error.reason or str(error.condition))
