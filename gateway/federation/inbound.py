"""InboundSession: a stream that another server opened to us, at the outside or the inside door.

Stanzas of a proved domain pair go to the router; everything else about them is policy. Dialback keys that are shown
here are verified with the server that owns the domain.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from gateway.addresses import Address, DomainPair
from gateway.attempts.records import AttemptLog, Kind
from gateway.errors import StanzaError, StreamError
from gateway.features.dialback import Dialback
from gateway.federation.session import ServerSession
from gateway.federation.verification import unanswered
from gateway.notices import Publish, StanzasPassed
from gateway.policy import Domains, check_inbound
from gateway.router import Router
from gateway.stanzas import Stanza
from gateway.stream.events import PairChecked, PairVerified, VerifyPair

Verify = Callable[[VerifyPair], "Deferred[PairChecked]"]
_MOST_VERIFICATIONS = 100


class InboundSession(ServerSession):
    """One stream from another server."""

    def __init__(
        self,
        attempt: AttemptLog,
        dialback: Dialback,
        *,
        domains: Domains,
        router: Router,
        verify: Verify,
        reached: Callable[[DomainPair], None],
        publish: Publish,
    ) -> None:
        """`verify` asks the authoritative server; `reached` hears of every domain that has shown itself."""
        super().__init__(attempt, dialback)
        self._domains = domains
        self._router = router
        self._verify = verify
        self._reached = reached
        self._publish = publish
        self._verifications = 0
        self._on |= {VerifyPair: self._verify_pair, PairVerified: self._pair_verified}

    def stanzas_received(self, stanzas: Sequence[Stanza]) -> Deferred[None] | None:
        """Admit and route a batch; the first stanza that breaks a rule of the stream ends it, after those before it."""
        self.attempt.stanzas("came in")
        proofs = self.facts.proofs
        route = self._router.route
        size = 0
        try:
            for stanza in stanzas:
                to, from_ = stanza.to, stanza.from_
                if to is None or from_ is None or (from_.domain, to.domain) not in proofs:
                    self._refuse(stanza)
                else:
                    size += len(stanza.raw)
                    route(stanza)
        except StreamError as error:
            assert self.connection is not None
            self.connection.close(error)
        self._publish(
            StanzasPassed(
                came_in=True,
                via=Kind.SERVER,
                source=self.facts.remote or "",
                target=self.facts.local or "",
                stanzas=stanzas,
                size=size,
            )
        )
        return self._router.flush()

    def _refuse(self, stanza: Stanza) -> None:
        try:
            check_inbound(stanza, self.facts, self._domains)
        except StanzaError as error:
            assert self.facts.local is not None
            self._router.refuse(stanza, error, Address.make("", self.facts.local, ""))

    def _pair_verified(self, verified: PairVerified) -> None:
        self._reached(verified.pair.reversed())

    def _verify_pair(self, order: VerifyPair) -> None:
        """Receiving server, step 2."""
        self._verifications += 1
        if self._verifications > _MOST_VERIFICATIONS:
            self._verified(unanswered(order.pair, "resource-constraint", "too many keys are being verified"))
            return
        self._verify(order).addCallback(self._verified)

    def _verified(self, checked: PairChecked) -> None:
        self._verifications -= 1
        if self.connection is not None:
            self.connection.answer(checked)
