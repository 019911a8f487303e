"""OutboundSession: a stream that we opened to another server, for stanzas or only to have keys verified.

It proves one domain pair as part of its negotiation and may prove further ones later, each for itself (XEP-0220 §2.6).
`when_proved(pair)` returns a Deferred that fires then. Where the other side supports it, stanzas are acknowledged
(XEP-0198), a broken stream is resumed, and stanzas come back on the same stream (XEP-0288).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from gateway.features.dialback import Dialback
from gateway.features.stream_management import (
    ManagementEnabled,
    ManagementRefused,
    ResumptionRefused,
    StreamResumed,
)
from gateway.federation.broken_streams import BrokenStream
from gateway.federation.delivery_failures import KEY_INVALID, UNWILLING, DeliveryFailed, Told, failure_of
from gateway.federation.session import ServerSession, SessionTools
from gateway.notices.attempts.narration import refused_in_words
from gateway.notices.attempts.stream_log import StreamLog
from gateway.stream.acknowledgements import Acknowledgements
from gateway.stream.events import INVALID, CloseTransport, NegotiationCompleted, PairRefused, PairVerified, ProofFailed
from gateway.stream.facts import Management, Means
from gateway.stream.sessions import Connection, Ending
from gateway.timing.timers import Timer
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.namespaces import DIALBACK_FEATURE
from gateway.xmpp.stanzas import Stanza

UNOFFERED_SECONDS = 5.0
"""The time that we wait for an answer to dialback that was not offered, after the other proof was refused."""

WhenGone = Callable[["OutboundSession", str, "BrokenStream | None"], None]


class OutboundSession(ServerSession):
    """One stream to another server."""

    def __init__(
        self,
        connection: Connection,
        log: StreamLog,
        dialback: Dialback,
        tools: SessionTools,
        pair: DomainPair,
        gone: WhenGone,
        resuming: BrokenStream | None = None,
    ) -> None:
        """`gone` is called once, when the stream ends, with the reason and what can be resumed (as in `resuming`)."""
        super().__init__(connection, log, dialback, tools)
        self.pair = pair
        self._gone = gone
        self._resuming = resuming
        self._waiting: dict[DomainPair, list[Deferred[OutboundSession]]] = {}
        self._ignores_pairs = False
        self._unoffered = Timer(tools.clock)  # until dialback that was not offered is answered
        self._refused_as: Told | None = None  # the other side refused the pair that the stream was opened for

    def when_proved(self, pair: DomainPair) -> Deferred[OutboundSession]:
        """Return a Deferred that fires with this session once stanzas of the pair may be written to it.

        It fails with DeliveryFailed.
        """

        def give_up(wait: Deferred[OutboundSession]) -> None:
            waits = self._waiting.get(pair, [])
            if wait in waits:
                waits.remove(wait)
                if not waits:
                    del self._waiting[pair]

        wait: Deferred[OutboundSession] = Deferred(give_up)
        self._waiting.setdefault(pair, []).append(wait)
        return wait

    @property
    def takes_more_pairs(self) -> bool:
        """Return whether a further pair may be tried here, so that a refusal is only an error and leaves the stream
        alone.

        Not on a stream that a certificate has proved: there each domain has the better proof on its own stream.
        Nor on one where an earlier attempt got no answer: the next one would get none either.
        """
        if self._ignores_pairs or not self.is_usable:
            return False
        return self.facts.peer_dialback_errors and self.facts.proofs.get(self.pair) is Means.DIALBACK

    def prove(self, pair: DomainPair) -> Deferred[OutboundSession]:
        """Assert a further pair by dialback on this stream."""
        wait = self.when_proved(pair)
        wait.addErrback(self._not_proved)
        self.connection.perform(lambda facts: self._dialback.assert_pair(facts, pair))
        return wait

    def _not_proved(self, failure: Failure) -> Failure:
        self._ignores_pairs = self._ignores_pairs or failure.check(CancelledError) is not None
        return failure

    def stanzas_received(self, stanzas: Sequence[Stanza]) -> Deferred[None] | None:
        """Drop stanzas, by a rule and as handled, on a one-way stream."""
        if self.facts.bidirectional:
            return super().stanzas_received(stanzas)
        self._tools.admission.drop(stanzas, self.facts)
        if self._managed is not None:
            self._managed.handled(len(stanzas))
        return None

    def lost(self, ending: Ending) -> None:
        self._unoffered.stop()
        super().lost(ending)
        told = self.narrator.last_error or ending.reason
        self._fail_waiting(told)
        broken = self._broken(ending)
        self._gone(self, told, broken)
        self._tell_users(ending, resuming=broken is not None)

    def _closing(self, _: CloseTransport) -> None:
        if not self.log.is_open:  # else the verdict comes when the connection is lost
            self._fail_waiting(self.narrator.last_error)

    def _fail_waiting(self, reason: str) -> None:
        waiting, self._waiting = self._waiting, {}
        for pair, waits in waiting.items():
            for wait in waits:
                if self._refused_as is KEY_INVALID and pair == self.pair:
                    wait.errback(DeliveryFailed(reason, KEY_INVALID, of_the_pair=True))
                else:
                    wait.errback(failure_of(self.log.verdict, reason, self.narrator.their_error))

    def _proof_failed(self, _: ProofFailed) -> None:
        """Try dialback next; a server that does not offer it may not answer, but has said why the proof failed."""
        offered = self.connection.stream.offered
        if offered is not None and offered.first(DIALBACK_FEATURE, "dialback") is None:
            self._unoffered.start(UNOFFERED_SECONDS, self._give_up_unoffered)

    def _give_up_unoffered(self) -> None:
        if self.log.is_open and self.facts.asserted:
            why = f"dialback, which it does not offer, was not answered within {UNOFFERED_SECONDS:g} s"
            self.connection.close(StreamError(StreamCondition.CONNECTION_TIMEOUT, "no proof was accepted", reason=why))

    def _established(self, completed: NegotiationCompleted) -> None:
        self._unoffered.stop()
        if self.facts.management is Management.RESUMING:
            return  # what is sent first depends on the answer
        if self.facts.management is Management.ON:
            self._manage(Acknowledgements())
        self._settle(self.pair)

    def _management_enabled(self, enabled: ManagementEnabled) -> None:
        if self._managed is not None:
            self._managed.counts = True
            self._managed.id = enabled.id

    def _management_refused(self, _: ManagementRefused) -> None:
        if self._managed is not None:
            self._managed.close()
            self._managed = None

    def _resumed(self, resumed: StreamResumed) -> None:
        if (broken := self._resuming) is not None:
            before = broken.acknowledgements.acknowledged
            broken.settle(resumed.h)
            self._manage(broken.acknowledgements, broken.id, before, broken.in_vain)
        self._settle(self.pair)

    def _resumption_refused(self, refused: ResumptionRefused) -> None:
        if self._resuming is not None:
            self._resuming.settle(refused.h)
        self._manage(Acknowledgements())
        self._settle(self.pair)

    def _pair_verified(self, verified: PairVerified) -> None:
        if self.is_usable and verified.pair != self.pair:  # that one is settled with the negotiation
            self._settle(verified.pair)

    def _settle(self, pair: DomainPair) -> None:
        for wait in self._waiting.pop(pair, ()):
            wait.callback(self)

    def _pair_refused(self, refused: PairRefused) -> None:
        """Tell those who wait for a further pair, and remember why the first was refused (XEP-0220 §2.5)."""
        told = KEY_INVALID if refused.condition == INVALID else UNWILLING
        if self.is_usable:
            for wait in self._waiting.pop(refused.pair, ()):
                wait.errback(DeliveryFailed(refused_in_words(refused), told, of_the_pair=True))
        elif refused.pair == self.pair:
            self._refused_as = told

    _on = {
        **ServerSession._on,
        ProofFailed: _proof_failed,
        NegotiationCompleted: _established,
        PairVerified: _pair_verified,
        PairRefused: _pair_refused,
        ManagementEnabled: _management_enabled,
        ManagementRefused: _management_refused,
        StreamResumed: _resumed,
        ResumptionRefused: _resumption_refused,
        CloseTransport: _closing,
    }


class StreamOpener(Protocol):
    """Resolves, dials and negotiates."""

    def open(
        self, pair: DomainPair, gone: WhenGone, *, only_questions: bool, resuming: BrokenStream | None = None
    ) -> Deferred[OutboundSession]:
        """Return a session whose stream is established; fail with DeliveryFailed, also when cancelled."""
