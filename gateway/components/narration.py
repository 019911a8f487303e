"""ComponentNarrator: write the events of a component's stream into its log."""

from __future__ import annotations

from gateway.features.handshake import AttachComponent
from gateway.notices.attempts.narration import Narrator
from gateway.notices.attempts.records import AttemptStep
from gateway.notices.attempts.verdicts import Verdict
from gateway.stream.events import CloseTransport, StreamOpened
from gateway.xmpp.errors import StreamCondition


class ComponentNarrator(Narrator):
    """Records the one domain of a component, and that it knows its secret: it proves nothing else (XEP-0114)."""

    def _opened(self, opened: StreamOpened) -> None:
        self.log.local = self.log.remote = self._facts.local or ""

    def _name_the_refused(self) -> None:
        """Name the domain that the component asks for, the only one in its header."""
        header = self._stream.header
        if header is not None and not self.log.remote:
            self.log.local = self.log.remote = header.to_domain or ""

    def _knows_the_secret(self, _: AttachComponent) -> None:
        self.log.step(AttemptStep.PROOF, "by handshake: it knows the secret")

    def _closing(self, closing: CloseTransport) -> None:
        if closing.error is not None and closing.error.condition is StreamCondition.NOT_AUTHORIZED:
            told = "by handshake refused: its digest does not match our secret"
            self.log.step(AttemptStep.PROOF, told, ok=False, required=f'the secret in [domains."{self._facts.local}"]')
            self.log.end(Verdict.WRONG_SECRET, "the component has the wrong secret")
        super()._closing(closing)

    _on = {
        **Narrator._on,
        StreamOpened: _opened,
        AttachComponent: _knows_the_secret,
        CloseTransport: _closing,
    }
