"""ClientNarrator: write the events of a client's stream into its log."""

from __future__ import annotations

from gateway.features.sasl_clients import ClientAuthenticated
from gateway.notices.attempts.narration import Narrator
from gateway.notices.attempts.records import AttemptStep
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.stream.events import ClientBound, ProofFailed, StreamOpened
from gateway.stream.facts import ClientFacts
from gateway.xmpp.errors import StreamCondition, StreamError


class ClientNarrator(Narrator):
    """Records which account a client has proved, by which mechanism, and which resource it got."""

    def __init__(self, log: StreamLog) -> None:
        super().__init__(log)
        self._login_refused = ""

    def _opened(self, opened: StreamOpened) -> None:
        facts = self._facts
        client = facts.client if isinstance(facts, ClientFacts) else None
        self.log.local = facts.local or ""
        self.log.remote = client.full if client is not None else ""

    def _authenticated(self, authenticated: ClientAuthenticated) -> None:
        self._login_refused = ""
        self.log.remote = authenticated.account.full
        self.log.step(AttemptStep.PROOF, f"of {authenticated.account} by {authenticated.mechanism}")

    def _bound(self, bound: ClientBound) -> None:
        self.log.remote = bound.address.full

    def _proof_failed(self, failed: ProofFailed) -> None:
        told = f" ({failed.text})" if failed.text else ""
        self._login_refused = f"the login was refused with {failed.condition}{told}"
        self.log.step(AttemptStep.PROOF, self._login_refused, ok=False)

    def _end(self, reason: str) -> tuple[Verdict, str]:
        if self._login_refused:
            return Verdict.LOGIN_REFUSED, self._login_refused
        return super()._end(reason)

    def _our_verdict(self, error: StreamError) -> Verdict:
        if self._login_refused:
            return Verdict.LOGIN_REFUSED
        return _OURS.get(error.condition, Verdict.REFUSED_BY_US)

    _on = {
        **Narrator._on,
        StreamOpened: _opened,
        ClientAuthenticated: _authenticated,
        ClientBound: _bound,
        ProofFailed: _proof_failed,
    }


_OURS = {
    StreamCondition.CONNECTION_TIMEOUT: Verdict.TIMEOUT,
    StreamCondition.SYSTEM_SHUTDOWN: Verdict.CLOSED_BY_US,
    StreamCondition.RESET: Verdict.CLOSED_BY_US,
}
