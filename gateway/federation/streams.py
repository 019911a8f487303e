"""OutboundStreams: the streams to other servers, and which one serves for what.

A pair that wants to send gets, in this order: a stream on which it is proved, be it one that the other server has
opened and that carries answers (XEP-0288); a stream to the target domain on which a further pair can be proved; a
stream of its own. When a stream broke that can be resumed (XEP-0198 §5), all this waits until it is, or cannot be:
streams of ours are resumed by us, with some pauses, those of the other side by the other side.

A key to be verified is asked for on a stream of the same pair, or on one opened only for that, which is kept while it
is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from gateway.addresses import Domain, DomainPair
from gateway.federation.delivery import DeliveryFailed
from gateway.federation.outbound import Gone, OutboundSession
from gateway.federation.resumption import BrokenStream
from gateway.federation.session import ServerSession
from gateway.federation.verification import unanswered
from gateway.stream.events import PairChecked, VerifyPair

PAUSES = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Before each attempt to resume a stream, in seconds."""
RESUME_SECONDS = 20.0
"""For all these attempts, and for how long the other side is waited for to resume a stream of its own."""


class StreamOpener(Protocol):
    """Who resolves, dials and negotiates."""

    def open(
        self, pair: DomainPair, gone: Gone, *, only_questions: bool, resuming: BrokenStream | None = None
    ) -> Deferred[OutboundSession]:
        """A session whose stream is established; fails with DeliveryFailed, also when it is cancelled."""


class OutboundStreams:
    """All streams on which we may send to other servers."""

    def __init__(self, opener: StreamOpener, clock: Any) -> None:
        self._opener = opener
        self._clock = clock
        self._sessions: dict[Domain, list[OutboundSession]] = {}
        self._lent: dict[DomainPair, ServerSession] = {}
        self._broken: dict[DomainPair, BrokenStream] = {}
        self._asking: dict[DomainPair, Deferred[OutboundSession]] = {}
        self._questions: dict[DomainPair, OutboundSession] = {}
        self._is_stopped = False

    def __iter__(self) -> Iterator[OutboundSession]:
        for sessions in self._sessions.values():
            yield from sessions
        yield from self._questions.values()

    def open(self, pair: DomainPair) -> Deferred[ServerSession]:
        """A session on which stanzas of this pair may be sent."""
        if pair in self._broken:
            return self._broken[pair].wait().addCallback(lambda _: self.open(pair))
        found = self._find(pair)
        if found is not None:
            wait: Deferred[ServerSession] = Deferred()
            wait.callback(found)
            return wait
        for session in self._sessions.get(pair.target, ()):
            if session.takes_more_pairs:
                return session.prove(pair).addErrback(self._refused_there, pair)
        return self._open_own(pair)

    def _refused_there(self, failure: Failure, pair: DomainPair) -> Deferred[ServerSession]:
        if failure.check(CancelledError):
            raise DeliveryFailed(
                "the other server did not answer in time whether it accepts the pair", of_the_pair=True
            )
        failure.trap(DeliveryFailed)
        return self._open_own(pair)

    def _find(self, pair: DomainPair) -> ServerSession | None:
        lent = self._lent.get(pair)
        candidates = [*self._sessions.get(pair.target, ()), *([lent] if lent is not None else [])]
        return next((each for each in candidates if each.is_usable and each.facts.carries(pair)), None)

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
            self._await(broken)
            Deferred.fromCoroutine(self._resume(broken))

    # -- streams that broke ------------------------------------------------------------------------------------------

    def _await(self, broken: BrokenStream) -> None:
        for pair in broken.pairs:
            self._broken[pair] = broken

    async def _resume(self, broken: BrokenStream) -> None:
        deadline = self._clock.seconds() + RESUME_SECONDS
        for pause in PAUSES:
            await deferLater(self._clock, pause)
            left = deadline - self._clock.seconds()
            if left <= 0 or self._is_stopped:
                break
            opening = self._opener.open(broken.pair, self._gone, only_questions=False, resuming=broken)
            try:
                self._keep(await opening.addTimeout(left, self._clock))
                break
            except (DeliveryFailed, TimeoutError):
                continue
        self._release(broken)

    def _release(self, broken: BrokenStream) -> None:
        """Whatever is known by now, things go on."""
        broken.settle(None)
        self._forget(broken)

    def _forget(self, broken: BrokenStream) -> None:
        for pair in broken.pairs:
            if self._broken.get(pair) is broken:
                del self._broken[pair]
        broken.decided()

    def stop(self) -> None:
        """Resume nothing any more."""
        self._is_stopped = True
        for broken in set(self._broken.values()):
            self._release(broken)

    # -- streams that others have opened -----------------------------------------------------------------------------

    def lend(self, session: ServerSession, pair: DomainPair) -> None:
        """Stanzas of this pair may be sent on this stream, which the other server has opened."""
        self._lent[pair] = session

    def unlend(self, session: ServerSession) -> None:
        """A stream that was lent is gone."""
        for pair in [pair for pair in session.facts.proofs if self._lent.get(pair.reversed()) is session]:
            del self._lent[pair.reversed()]

    def expect(self, broken: BrokenStream) -> None:
        """A stream that was lent is gone, and may be resumed by the other side, for some time."""
        self._await(broken)
        self._clock.callLater(RESUME_SECONDS, self._release, broken)

    def settle(self, id_: str, h: int) -> None:
        """A stream that was lent is being resumed; what is left over goes back to its routes."""
        for broken in self._expected(id_):
            broken.settle(h)

    def decided(self, id_: str) -> None:
        """A stream that was lent is resumed."""
        for broken in self._expected(id_):
            self._forget(broken)

    def _expected(self, id_: str) -> set[BrokenStream]:
        return {broken for broken in self._broken.values() if broken.id == id_}

    # -- questions about keys ----------------------------------------------------------------------------------------

    def verify(self, order: VerifyPair) -> Deferred[PairChecked]:
        """Receiving server, step 2: have a key checked by the authoritative server of `order.pair.sender`."""
        way = order.pair.reversed()
        for session in self._sessions.get(way.target, ()):
            if session.is_usable and session.pair == way:
                return session.ask(order.pair, order.stream_id, order.key)
        if way in self._questions:
            return self._questions[way].ask(order.pair, order.stream_id, order.key)
        wait: Deferred[PairChecked] = Deferred()
        self._opened_for_questions(way).addCallbacks(
            lambda session: session.ask(order.pair, order.stream_id, order.key).chainDeferred(wait),
            lambda failure: wait.callback(_unverified(order.pair, failure.value)),
        )
        return wait

    def _opened_for_questions(self, way: DomainPair) -> Deferred[OutboundSession]:
        """One stream, however many ask for it at once."""
        shared = self._asking.get(way)
        if shared is None:
            shared = self._asking[way] = self._opener.open(way, self._questions_gone, only_questions=True)
            shared.addBoth(self._keep_for_questions, way)
        mine: Deferred[OutboundSession] = Deferred()

        def passed_on(result: object) -> object:
            mine.callback(result)  # type: ignore[arg-type]  # a session, or the failure to get one
            return result if not isinstance(result, BaseException) else None

        shared.addBoth(passed_on)
        return mine

    def _keep_for_questions(self, result: object, way: DomainPair) -> object:
        del self._asking[way]
        if isinstance(result, OutboundSession):
            self._questions[way] = result
        return result

    def _questions_gone(self, session: OutboundSession, reason: str, broken: BrokenStream | None) -> None:
        if self._questions.get(session.pair) is session:
            del self._questions[session.pair]


def _unverified(pair: DomainPair, error: object) -> PairChecked:
    if isinstance(error, DeliveryFailed):
        return unanswered(pair, str(error.condition), "the authoritative server could not be asked")
    raise error  # type: ignore[misc]  # our own bug
