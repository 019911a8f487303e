"""OutboundSession: a stream that we opened to another server, for stanzas or only to have keys verified.

It proves one domain pair as part of its negotiation and may prove further ones later, each for itself (XEP-0220 §2.7).
Whoever waits for it gets a Deferred: `secured` for questions about keys, `proved(pair)` for stanzas.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from gateway.addresses import DomainPair
from gateway.attempts.records import AttemptLog
from gateway.features.dialback import Dialback
from gateway.federation.delivery import DeliveryFailed, failure_of
from gateway.federation.session import ServerSession
from gateway.stanzas import Stanza
from gateway.stream.events import NegotiationCompleted, PairRefused, PairVerified
from gateway.stream.facts import Means


class OutboundSession(ServerSession):
    """One stream to another server."""

    def __init__(
        self,
        attempt: AttemptLog,
        dialback: Dialback,
        pair: DomainPair,
        gone: Callable[[OutboundSession, str], None],
    ) -> None:
        """`gone` is told, once, when the stream ends, with the reason."""
        super().__init__(attempt, dialback)
        self.pair = pair
        self._gone = gone
        self._waiting: dict[DomainPair, list[Deferred[OutboundSession]]] = {}
        self._on |= {
            NegotiationCompleted: self._established,
            PairVerified: self._pair_verified,
            PairRefused: self._pair_refused,
        }
        self._is_lost = False

    def when_proved(self, pair: DomainPair) -> Deferred[OutboundSession]:
        """Fires with this session once stanzas of the pair may be written to it; fails with DeliveryFailed."""
        wait: Deferred[OutboundSession] = Deferred()
        self._waiting.setdefault(pair, []).append(wait)
        return wait

    @property
    def takes_more_pairs(self) -> bool:
        """Whether a further pair may be tried here: a refusal comes as an error and leaves the stream alone.

        Not on a stream that a certificate has proved: there each domain has the better proof on a stream of its own.
        """
        return self.is_usable and self.facts.peer_dialback_errors and self.facts.proofs.get(self.pair) is Means.DIALBACK

    def prove(self, pair: DomainPair) -> Deferred[OutboundSession]:
        """Assert a further pair by dialback on this stream."""
        assert self.connection is not None
        wait = self.when_proved(pair)
        self.connection.perform(lambda facts: self._dialback.assert_pair(facts, pair))
        return wait

    def write(self, data: bytes) -> None:
        """Stanzas, of pairs that are proved here."""
        assert self.connection is not None
        self.attempt.stanzas("went out")
        self.connection.write(data)

    def room(self) -> Deferred[None] | None:
        """As `Connection.room`."""
        assert self.connection is not None
        return self.connection.room()

    def stanzas_received(self, stanzas: Sequence[Stanza]) -> Deferred[None] | None:
        """Nobody has proved anything to us on a stream that we opened: such stanzas are dropped (RFC 6120 §8.1.2.2)."""
        return None

    def lost(self, reason: str) -> None:
        was_usable = not self.attempt.is_open
        super().lost(reason)
        self._is_lost = True
        record = self.attempt.record
        assert record is not None
        told = self.narrator.last_error or reason
        waiting, self._waiting = self._waiting, {}
        for waits in waiting.values():
            for wait in waits:
                wait.errback(failure_of(record.verdict, told) if not was_usable else DeliveryFailed(told))
        self._gone(self, told)

    def _established(self, completed: NegotiationCompleted) -> None:
        self._settle(self.pair)

    def _pair_verified(self, verified: PairVerified) -> None:
        if self.is_usable:
            self._settle(verified.pair)

    def _settle(self, pair: DomainPair) -> None:
        for wait in self._waiting.pop(pair, ()):
            wait.callback(self)

    def _pair_refused(self, refused: PairRefused) -> None:
        if self.is_usable:
            for wait in self._waiting.pop(refused.pair, ()):
                wait.errback(DeliveryFailed(self.narrator.last_error))
