"""InboundSession: a stream that another server opened to us, on the outside or the inside port.

Stanzas of a proved domain pair go to the router. Dialback keys from the other side are verified with the server that
owns the domain. The other side may also request that stanzas are acknowledged and that a broken stream can be resumed
(XEP-0198), and that answers come back on the stream (XEP-0288); then routes that have some may send on it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from gateway.bounds.tables import address_of
from gateway.features.dialback import Dialback
from gateway.features.stream_management import GrantManagement, ManagementGranted, ResumeStream, ResumptionDecided
from gateway.federation.broken_streams import BrokenStreams
from gateway.federation.key_questions import unanswered
from gateway.federation.life import Life, Move
from gateway.federation.resumable_streams import KEPT_SECONDS, ResumableStreams
from gateway.federation.session import ServerSession, SessionTools
from gateway.federation.verification_places import Asker
from gateway.notices.attempts.stream_log import StreamLog
from gateway.stream.acknowledgements import Acknowledgements
from gateway.stream.events import PairChecked, PairVerified, VerifyPair
from gateway.stream.sessions import Connection, Ending, ending_of
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.stanzas import AddressedStanza, Stanza

Verify = Callable[[VerifyPair, Asker], "Deferred[PairChecked]"]


class Lenders(Protocol):
    """Finds a stream for stanzas to send, and may use streams that others have opened."""

    broken: BrokenStreams

    def lend(self, session: ServerSession, pair: DomainPair) -> None:
        """Offer this stream for sending stanzas of this pair."""

    def unlend(self, session: ServerSession) -> None:
        """Note that the stream is gone."""


class InboundSession(ServerSession):
    """One stream from another server."""

    def __init__(
        self,
        connection: Connection,
        log: StreamLog,
        dialback: Dialback,
        tools: SessionTools,
        *,
        verify: Verify,
        reached: Callable[[DomainPair], None],
        lenders: Lenders,
        resumable_streams: ResumableStreams,
    ) -> None:
        """`verify` asks the authoritative server; `reached` is called for every domain that shows a sign of life."""
        super().__init__(connection, log, dialback, tools)
        self._verify = verify
        self._reached = reached
        self._lenders = lenders
        self._resumable_streams = resumable_streams
        self._verifications = 0

    def stanzas_received(self, stanzas: Sequence[Stanza]) -> Deferred[None] | None:
        """Take a batch; a domain that sends is reachable, even if our last attempt to reach it failed."""
        last = stanzas[-1]
        if last.to is not None and last.from_ is not None and (last.from_.domain, last.to.domain) in self.facts.proofs:
            self._reached(DomainPair(last.to.domain, last.from_.domain))
        return super().stanzas_received(stanzas)

    def lost(self, ending: Ending) -> None:
        was_superseded = self._life is Life.SUPERSEDED
        super().lost(ending)
        if not was_superseded:
            self._end(ending)

    def supersede(self) -> None:
        """Handle nothing more on this connection, because the stream is resumed on another one (RFC 6120 §4.9.3.3)."""
        self._move(Move.SUPERSEDE)
        self._end(ending_of(self.connection.stream, "the stream was resumed on another connection"))
        self.connection.close(StreamError(StreamCondition.CONFLICT, "the stream was resumed on another connection"))

    def _end(self, ending: Ending) -> None:
        broken = self._broken(ending)
        self._lenders.unlend(self)
        if broken is not None:
            self._lenders.broken.expect(broken)
        if self._managed is not None and self._managed.id is not None:
            left = self._resumable_streams.closed if ending.closed else self._resumable_streams.broke
            left(self._managed.id, self)
        self._tell_users(ending, resuming=broken is not None)

    def _pair_verified(self, verified: PairVerified) -> None:
        self._reached(verified.pair.reversed())
        self._lenders.broken.hurry(verified.pair.sender)
        if self.facts.bidirectional:
            self._lenders.lend(self, verified.pair.reversed())

    # -- stream management -------------------------------------------------------------------------------------------

    def _grant_management(self, order: GrantManagement) -> None:
        managed = self._manage(Acknowledgements())
        managed.counts = True
        if order.resumable:
            managed.id = self._resumable_streams.keep(self.facts.pair, managed.acknowledgements, self)
        self.connection.answer(ManagementGranted(id=managed.id, seconds=KEPT_SECONDS))
        self._lenders.broken.forgotten(self.facts.pair)

    def _resume_stream(self, order: ResumeStream) -> None:
        """Answer with the number of stanzas handled; those being kept count too, or they would come twice.

        Nothing more may come meanwhile on an old connection that is still there: it would be counted after the answer.
        """
        self._resumable_streams.supersede(order.id, self.facts.pair)
        unsafe = self._tools.unsafe()
        if unsafe is None:
            self._resume_now(order)
        else:
            unsafe.addCallback(lambda _: self._resume_now(order))

    def _resume_now(self, order: ResumeStream) -> None:
        if self._life is Life.GONE:
            return
        acknowledgements = self._resumable_streams.resume(order.id, self.facts.pair, self)
        if acknowledgements is None:
            self._resumable_streams.seek(order.id, self.facts.pair, order.h).addCallback(self._found_elsewhere, order)
            return
        before = acknowledgements.acknowledged
        self._lenders.broken.settle(order.id, order.h)
        self._manage(acknowledgements, order.id, before)
        self.connection.answer(ResumptionDecided(id=order.id, resumed=True, h=acknowledgements.h))
        self._lenders.broken.resumed(order.id)

    def _found_elsewhere(self, handled: int | None, order: ResumeStream) -> None:
        """Resume a stream that another node has given up, of which it has handled so much; None: nobody has it."""
        if handled is None:
            if self._life is not Life.GONE:
                self.connection.answer(ResumptionDecided(id=order.id, resumed=False))
            return
        acknowledgements: Acknowledgements[AddressedStanza] = Acknowledgements(received=handled, acknowledged=order.h)
        self._resumable_streams.adopt(order.id, self.facts.pair, acknowledgements, self)
        if self._life is Life.GONE:
            self._resumable_streams.broke(order.id, self)
            return
        self._manage(acknowledgements, order.id, order.h)
        self.connection.answer(ResumptionDecided(id=order.id, resumed=True, h=handled))

    # -- dialback ----------------------------------------------------------------------------------------------------

    def _verify_pair(self, order: VerifyPair) -> None:
        """Receiving server, step 2: have the key verified."""
        self._verifications += 1
        if self._verifications > self._tools.verifications:
            self._verified(unanswered(order.pair, "resource-constraint", "too many keys are being verified"))
            return
        asker = Asker(address=address_of(self.connection.peer_address), is_proved=bool(self.facts.proofs))
        self._verify(order, asker).addCallback(self._verified)

    def _verified(self, checked: PairChecked) -> None:
        self._verifications -= 1
        self.connection.answer(checked)

    _on = {
        **ServerSession._on,
        VerifyPair: _verify_pair,
        PairVerified: _pair_verified,
        GrantManagement: _grant_management,
        ResumeStream: _resume_stream,
    }
