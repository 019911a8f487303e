"""Verification: asking the authoritative server about a dialback key (receiving server, step 2; XEP-0220 §2.1.2).

A question takes, in this order: an open stream of the same pair; one that was opened for questions before; a new one,
which carries nothing else and is kept while it is used. If the server cannot be asked, the key is neither valid nor
invalid, and no stream to that server is opened for some time. Nor is it if no answer comes in time (§2.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from gateway.federation.backoff import Backoff
from gateway.federation.broken_streams import BrokenStream
from gateway.federation.delivery_failures import DeliveryFailed
from gateway.federation.key_questions import unanswered
from gateway.federation.outbound import OutboundSession, StreamOpener
from gateway.federation.verification_places import Asker, VerificationPlaces
from gateway.stream.events import PairChecked, VerifyPair
from gateway.xmpp.addresses import DomainPair

ANSWER_SECONDS = 30.0
"""The time that an authoritative server has for its answer on an open stream."""


class KeyVerifier:
    """Has keys checked by the servers that speak for their domains."""

    def __init__(
        self,
        opener: StreamOpener,
        open_stream: Callable[[DomainPair], OutboundSession | None],
        places: VerificationPlaces,
        clock: IReactorTime,
        backoff: Backoff | None = None,
    ) -> None:
        """`open_stream` finds an open stream of a pair; `backoff` is for servers that could not be asked.

        It is not the backoff of the routes: our own stanzas must not wait because a stranger made us ask and nobody
        answered.
        """
        self._opener = opener
        self._open_stream = open_stream
        self._places = places
        self._clock = clock
        self._backoff = backoff
        self._asking: dict[DomainPair, list[Deferred[OutboundSession]]] = {}
        self._questions: dict[DomainPair, OutboundSession] = {}

    def __iter__(self) -> Iterator[OutboundSession]:
        yield from self._questions.values()

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
        session = self._open_stream(way)
        if session is not None:
            return self._asked_on(session, order)
        if way in self._questions:
            return self._asked_on(self._questions[way], order)
        now = self._clock.seconds()
        if self._backoff is not None and (until := self._backoff.retry_at(way.target, now)) is not None:
            why = f"the authoritative server could not be asked; next attempt in {until - now:.0f} s"
            return succeed(unanswered(order.pair, "remote-server-timeout", why))
        wait: Deferred[PairChecked] = Deferred()
        self._opened_for_questions(way).addCallbacks(
            lambda session: self._asked_on(session, order).chainDeferred(wait),
            lambda failure: wait.callback(_unverified(order.pair, failure.value)),
        )
        return wait

    def _asked_on(self, session: OutboundSession, order: VerifyPair) -> Deferred[PairChecked]:
        def too_late(*_: object) -> PairChecked:
            why = f"the authoritative server did not answer within {ANSWER_SECONDS:g} s"
            return unanswered(order.pair, "remote-server-timeout", why)

        answer = session.ask(order.pair, order.stream_id, order.key)
        return answer.addTimeout(ANSWER_SECONDS, self._clock, too_late)

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
