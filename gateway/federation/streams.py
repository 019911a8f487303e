"""OutboundStreams: the streams to other servers, and the choice of a stream for each domain pair.

A pair that wants to send gets, in this order: a stream on which it is proved, which may be one that the other server
has opened and that carries answers (XEP-0288); a stream to the target domain on which a further pair can be proved; a
stream of its own, also when the further pair gets no answer there. When a resumable stream broke, all of this waits
until it is resumed, or cannot be (see `broken_streams`).

A key is verified on a stream of the same pair, or on one that is opened only for that and kept while it is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred, TimeoutError, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from gateway.federation.backoff import Backoff
from gateway.federation.broken_streams import BrokenStream, BrokenStreams, Unsafe
from gateway.federation.delivery_failures import DeliveryFailed
from gateway.federation.outbound import OutboundSession, WhenGone
from gateway.federation.session import ServerSession
from gateway.federation.verification import Asker, QuestionPlaces, unanswered
from gateway.stream.events import PairChecked, VerifyPair
from gateway.xmpp.addresses import Domain, DomainPair

FURTHER_PAIR_SECONDS = 5.0
"""The time that a further pair waits for its verdict on an open stream, before it gets its own stream."""


class StreamOpener(Protocol):
    """Resolves, dials and negotiates."""

    def open(
        self, pair: DomainPair, gone: WhenGone, *, only_questions: bool, resuming: BrokenStream | None = None
    ) -> Deferred[OutboundSession]:
        """Return a session whose stream is established; fail with DeliveryFailed, also when cancelled."""


class OutboundStreams:
    """All streams on which we may send to other servers."""

    def __init__(
        self,
        opener: StreamOpener,
        clock: IReactorTime,
        most_verifications: int = 1000,
        backoff: Backoff | None = None,
        unsafe: Unsafe = lambda: None,
        *,
        keys_per_minute: float = 600,
    ) -> None:
        """`most_verifications` keys are verified at a time, `keys_per_minute` of them for an address that has proved
        nothing; `backoff` is for servers that could not be asked.

        It is not the backoff of the routes: our own stanzas must not wait because a stranger made us ask and nobody
        answered.
        """
        self._opener = opener
        self._clock = clock
        self._places = QuestionPlaces(most_verifications, keys_per_minute)
        self._backoff = backoff
        self._sessions: dict[Domain, list[OutboundSession]] = {}
        self._lent: dict[DomainPair, ServerSession] = {}
        self.broken = BrokenStreams(clock, self._reopen, unsafe)
        self._asking: dict[DomainPair, list[Deferred[OutboundSession]]] = {}
        self._questions: dict[DomainPair, OutboundSession] = {}

    def __iter__(self) -> Iterator[OutboundSession]:
        for sessions in self._sessions.values():
            yield from sessions
        yield from self._questions.values()

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

    # -- questions about keys ----------------------------------------------------------------------------------------

    def verify(self, order: VerifyPair, asker: Asker = Asker()) -> Deferred[PairChecked]:
        """Receiving server, step 2: have a key checked by the authoritative server of `order.pair.sender`."""
        why_not = self._places.take(asker, order.pair.sender, self._clock.seconds())
        if why_not:
            return succeed(unanswered(order.pair, "resource-constraint", why_not))

        def verified(result: PairChecked | Failure) -> PairChecked | Failure:
            self._places.give_back(asker, order.pair.sender)
            return result

        return self._ask(order).addBoth(verified)

    def _ask(self, order: VerifyPair) -> Deferred[PairChecked]:
        way = order.pair.reversed()
        for session in self._sessions.get(way.target, ()):
            if session.is_usable and session.pair == way:
                return session.ask(order.pair, order.stream_id, order.key)
        if way in self._questions:
            return self._questions[way].ask(order.pair, order.stream_id, order.key)
        now = self._clock.seconds()
        if self._backoff is not None and (until := self._backoff.retry_at(way.target, now)) is not None:
            why = f"the authoritative server could not be asked; next attempt in {until - now:.0f} s"
            return succeed(unanswered(order.pair, "remote-server-timeout", why))
        wait: Deferred[PairChecked] = Deferred()
        self._opened_for_questions(way).addCallbacks(
            lambda session: session.ask(order.pair, order.stream_id, order.key).chainDeferred(wait),
            lambda failure: wait.callback(_unverified(order.pair, failure.value)),
        )
        return wait

    def _opened_for_questions(self, way: DomainPair) -> Deferred[OutboundSession]:
        """Return one stream, no matter how many ask for it at once."""
        mine: Deferred[OutboundSession] = Deferred()
        waiting = self._asking.setdefault(way, [])
        waiting.append(mine)
        if len(waiting) == 1:
            self._opener.open(way, self._questions_gone, only_questions=True).addBoth(self._opened_or_not, way)
        return mine

    def _opened_or_not(self, result: OutboundSession | Failure, way: DomainPair) -> None:
        if not isinstance(result, Failure):
            self._questions[way] = result
        if self._backoff is not None:
            if not isinstance(result, Failure):
                self._backoff.reached(way.target)
            elif isinstance(result.value, DeliveryFailed) and not result.value.is_ours:
                self._backoff.failed(way.target, self._clock.seconds())
        for wait in self._asking.pop(way):
            wait.callback(result)  # one failure for everybody who waits

    def _questions_gone(self, session: OutboundSession, reason: str, broken: BrokenStream | None) -> None:
        if self._questions.get(session.pair) is session:
            del self._questions[session.pair]


def _unverified(pair: DomainPair, error: BaseException) -> PairChecked:
    if isinstance(error, DeliveryFailed):
        return unanswered(pair, str(error.told.condition), "the authoritative server could not be asked")
    raise error  # our own bug
