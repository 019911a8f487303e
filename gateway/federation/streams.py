"""OutboundStreams: the streams to other servers, and the choice of a stream for each domain pair.

A pair that wants to send gets, in this order: a stream on which it is proved, which may be one that the other server
has opened and that carries answers (XEP-0288); a stream to the target domain on which a further pair can be proved
(XEP-0220 §2.6); or else, and whenever the further pair gets no answer there, a new stream. When a resumable stream
broke, all of this waits until it is resumed, or cannot be (see `broken_streams`).
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted.internet.defer import CancelledError, Deferred, TimeoutError, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from gateway.federation.broken_streams import BrokenStream, BrokenStreams, Unsafe
from gateway.federation.delivery_failures import DeliveryFailed
from gateway.federation.outbound import OutboundSession, StreamOpener
from gateway.federation.session import ServerSession
from gateway.xmpp.addresses import Domain, DomainPair

FURTHER_PAIR_SECONDS = 5.0
"""The time that a further pair waits for its verdict on an open stream, before it gets its own stream."""


class OutboundStreams:
    """All streams on which we may send to other servers."""

    def __init__(
        self,
        opener: StreamOpener,
        clock: IReactorTime,
        unsafe: Unsafe = lambda: None,
    ) -> None:
        self._opener = opener
        self._clock = clock
        self._sessions: dict[Domain, list[OutboundSession]] = {}
        self._lent: dict[DomainPair, ServerSession] = {}
        self.broken = BrokenStreams(clock, self._reopen, unsafe)

    def __iter__(self) -> Iterator[OutboundSession]:
        for sessions in self._sessions.values():
            yield from sessions

    def open(self, pair: DomainPair) -> Deferred[ServerSession]:
        """Return a session on which stanzas of this pair may be sent."""
        outcome = self.broken.outcome(pair)
        if outcome is not None:
            return outcome.addCallback(lambda _: self.open(pair))
        found = self._find(pair)
        if found is not None:
            return succeed(found)
        for session in self._sessions.get(pair.target, ()):
            if session.takes_more_pairs:
                proved = session.prove(pair).addTimeout(FURTHER_PAIR_SECONDS, self._clock)
                return proved.addErrback(self._refused_there, pair)
        return self._open_own(pair)

    def _refused_there(self, failure: Failure, pair: DomainPair) -> Deferred[ServerSession]:
        if failure.check(CancelledError):
            raise DeliveryFailed(
                "the other server did not answer in time whether it accepts the pair", of_the_pair=True
            )
        failure.trap(DeliveryFailed, TimeoutError)
        return self._open_own(pair)

    def _find(self, pair: DomainPair) -> ServerSession | None:
        lent = self._lent.get(pair)
        candidates = [*self._sessions.get(pair.target, ()), *([lent] if lent is not None else [])]
        return next((each for each in candidates if each.is_usable and each.facts.carries(pair)), None)

    def opened_for(self, pair: DomainPair) -> OutboundSession | None:
        """Return an open stream that was opened for exactly this pair."""
        sessions = self._sessions.get(pair.target, ())
        return next((each for each in sessions if each.is_usable and each.pair == pair), None)

    def _open_own(self, pair: DomainPair) -> Deferred[ServerSession]:
        return self._opener.open(pair, self._gone, only_questions=False).addCallback(self._keep)

    def _keep(self, session: OutboundSession) -> OutboundSession:
        self._sessions.setdefault(session.pair.target, []).append(session)
        return session

    def _gone(self, session: OutboundSession, reason: str, broken: BrokenStream | None) -> None:
        sessions = self._sessions.get(session.pair.target, [])
        if session in sessions:
            sessions.remove(session)
            if not sessions:
                del self._sessions[session.pair.target]
        if broken is not None:
            self.broken.expect(broken)

    def _reopen(self, broken: BrokenStream) -> Deferred[OutboundSession]:
        opening = self._opener.open(broken.pair, self._gone, only_questions=False, resuming=broken)
        return opening.addCallback(self._keep)

    # -- streams that others have opened -----------------------------------------------------------------------------

    def lend(self, session: ServerSession, pair: DomainPair) -> None:
        """Allow sending stanzas of this pair on this stream, which the other server has opened."""
        self._lent[pair] = session

    def unlend(self, session: ServerSession) -> None:
        """Forget a lent stream that is gone."""
        for pair in [pair for pair in session.facts.proofs if self._lent.get(pair.reversed()) is session]:
            del self._lent[pair.reversed()]
