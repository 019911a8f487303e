"""RemoteRoute: the way of stanzas of one domain pair to another server.

Three dispositions, one at a time:

idle      no stream is wanted; the first stanza wants one
queueing  a stream is being opened, or will be when the domain may be tried again; stanzas wait, in order, bounded
sending   stanzas are written to the stream

When opening fails, everything that waits is bounced, in order, once, and the route is idle. When the stream breaks,
the route is idle; requests that were written to it get some time for an answer on another stream, then an error.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.addresses import DomainPair
from gateway.attempts.records import Kind
from gateway.errors import StanzaCondition, StanzaError
from gateway.federation.backoff import Backoff
from gateway.federation.delivery import DeliveryFailed
from gateway.federation.outbound import OutboundSession
from gateway.interfaces import IRoute
from gateway.notices import MaybeLost, Publish, StanzasPassed
from gateway.router import Router
from gateway.stanzas import Stanza


class Disposition(Enum):
    """What becomes of a stanza now."""

    IDLE = "idle"
    QUEUEING = "queueing"
    SENDING = "sending"


@dataclass(frozen=True, kw_only=True)
class RouteRules:
    """How long and how much may wait for a stream to this domain; seconds and counts."""

    allow: bool = True
    queue_stanzas: int = 10_000
    connect_seconds: float = 30
    unsure_seconds: float = 30  # how long what was written may still be under way
    answer_seconds: float = 10  # for answers to requests on a stream that broke


class QueueSpace:
    """The bytes that all queues together may hold."""

    def __init__(self, most: int) -> None:
        self._left = most

    def take(self, size: int) -> bool:
        """Whether so much more may wait; then it is taken."""
        if size > self._left:
            return False
        self._left -= size
        return True

    def give_back(self, size: int) -> None:
        """So much waits no longer."""
        self._left += size


@implementer(IRoute)
class RemoteRoute:
    """The route of one domain pair, of which the sender is ours or relayed by us."""

    def __init__(
        self,
        pair: DomainPair,
        rules: RouteRules,
        *,
        open_stream: Callable[[DomainPair], Deferred[OutboundSession]],
        router: Router,
        backoff: Backoff,
        space: QueueSpace,
        clock: Any,
        publish: Publish,
        at_rest: Callable[[RemoteRoute], None],
    ) -> None:
        """`at_rest` hears when there is nothing left that this route would have to remember."""
        self.pair = pair
        self.rules = rules
        self.disposition = Disposition.IDLE
        self.sent = 0
        self._open_stream = open_stream
        self._router = router
        self._backoff = backoff
        self._space = space
        self._clock = clock
        self._publish = publish
        self._at_rest = at_rest
        self._queue: deque[Stanza] = deque()
        self._queued_bytes = 0
        self._session: OutboundSession | None = None
        self._opening: Deferred[OutboundSession] | None = None
        self._timers: dict[str, Any] = {}
        self._batch: list[Stanza] = []
        self._recent: deque[tuple[float, int]] = deque()  # when how many were written, as long as they may be under way

    @property
    def queued(self) -> int:
        """How many stanzas wait."""
        return len(self._queue)

    # -- as an IRoute ------------------------------------------------------------------------------------------------

    def deliver(self, stanza: Stanza) -> None:
        """Write it with the next flush, or let it wait for a stream."""
        if self.disposition is Disposition.SENDING:
            self._add(stanza)
        elif not self.rules.allow:
            text = f"nothing is exchanged with {self.pair.target}"
            self._router.bounce(stanza, StanzaError(StanzaCondition.NOT_ALLOWED, text))
            self._rest()
        else:
            self._enqueue(stanza)

    def _add(self, stanza: Stanza) -> None:
        if stanza.is_request:
            self._router.requests.asked(self.pair, stanza)
        self._batch.append(stanza)

    def flush(self) -> Deferred[None] | None:
        """Write the batch."""
        if self._session is None:
            return None
        if self._batch:
            batch, self._batch = self._batch, []
            self.sent += len(batch)
            self._remember(len(batch))
            data = b"".join([stanza.raw for stanza in batch])
            self._session.write(data)
            sender, target = self.pair
            self._publish(
                StanzasPassed(
                    came_in=False, via=Kind.SERVER, source=sender, target=target, stanzas=batch, size=len(data)
                )
            )
        return self._session.room()

    def _remember(self, count: int) -> None:
        now = self._clock.seconds()
        self._recent.append((now, count))
        while self._recent[0][0] < now - self.rules.unsure_seconds:
            self._recent.popleft()

    # -- queueing ----------------------------------------------------------------------------------------------------

    def _enqueue(self, stanza: Stanza) -> None:
        if len(self._queue) >= self.rules.queue_stanzas or not self._space.take(len(stanza.raw)):
            text = f"too many stanzas wait for the server of {self.pair.target}"
            self._router.bounce(stanza, StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, text))
            return
        self._queue.append(stanza)
        self._queued_bytes += len(stanza.raw)
        if self.disposition is Disposition.IDLE:
            self._begin()

    def _begin(self) -> None:
        self.disposition = Disposition.QUEUEING
        now = self._clock.seconds()
        retry_at = self._backoff.retry_at(self.pair.target, now)
        if retry_at is None:
            self._set_timer("deadline", self.rules.connect_seconds, self._too_late)
            self._open()
        elif retry_at - now < self.rules.connect_seconds:
            self._set_timer("deadline", self.rules.connect_seconds, self._too_late)
            self._set_timer("retry", retry_at - now, self._open)
        else:
            self._failed(DeliveryFailed(f"it failed before, and is tried again in {retry_at - now:.0f} s"))

    def retry(self) -> None:
        """Try now, whatever came before: an operator asks for it, or the domain has shown that it is there."""
        self._backoff.reached(self.pair.target)
        if self.disposition is Disposition.QUEUEING and self._opening is None:
            self._clear_timer("retry")
            self._open()

    def _open(self) -> None:
        opening = self._opening = self._open_stream(self.pair)
        opening.addCallbacks(self._opened, self._not_opened)

    def _opened(self, session: OutboundSession) -> None:
        self._opening = None
        self._clear_opening_timers()
        self._backoff.reached(self.pair.target)
        self.disposition = Disposition.SENDING
        self._session = session
        for stanza in self._queue:
            self._add(stanza)
        self._empty_queue()
        self.flush()

    def _not_opened(self, failure: Failure) -> None:
        self._opening = None
        failed = (
            failure.value if isinstance(failure.value, DeliveryFailed) else DeliveryFailed(failure.getErrorMessage())
        )
        self._backoff.failed(self.pair.target, self._clock.seconds())
        self._failed(failed)
        if not isinstance(failure.value, DeliveryFailed):
            failure.raiseException()  # our own bug: let it be logged with its traceback

    def _too_late(self) -> None:
        opening = self._opening
        if opening is not None:
            opening.cancel()  # which fails it, and leads to _not_opened
        else:
            self._failed(DeliveryFailed(f"no stream stood after {self.rules.connect_seconds:g} s"))

    def _failed(self, failed: DeliveryFailed) -> None:
        self._clear_opening_timers()
        self.disposition = Disposition.IDLE
        waiting = list(self._queue)
        self._empty_queue()
        error = failed.stanza_error(self.pair.target)
        for stanza in waiting:
            self._router.bounce(stanza, error)
        self._router.flush()
        self._rest()

    def _empty_queue(self) -> None:
        self._space.give_back(self._queued_bytes)
        self._queue.clear()
        self._queued_bytes = 0

    # -- the end of a stream -----------------------------------------------------------------------------------------

    def stream_ended(self, session: OutboundSession, *, cleanly: bool) -> None:
        """The stream is gone; unless it was closed properly, what was written last may not have arrived."""
        if session is not self._session:
            return
        self._session = None
        self.disposition = Disposition.IDLE
        batch, self._batch = self._batch, []
        assert not batch, "deliveries are flushed before a connection can be lost"
        since = self._clock.seconds() - self.rules.unsure_seconds
        unsure = sum(count for when, count in self._recent if when >= since)
        self._recent.clear()
        if unsure and not cleanly:
            self._publish(MaybeLost(domain=self.pair.target, count=unsure))
        self._set_timer("answers", self.rules.answer_seconds, self._give_up_answers)

    def _give_up_answers(self) -> None:
        if self.disposition is not Disposition.SENDING:
            failed = DeliveryFailed("the stream ended before an answer came")
            self._router.abandon(self.pair, failed.stanza_error(self.pair.target))
            self._router.flush()
            self._rest()

    def _rest(self) -> None:
        if self.disposition is Disposition.IDLE and not self._timers:
            self._at_rest(self)

    def close(self) -> None:
        """Open nothing any more; what waits is bounced, what is being sent is written."""
        if self.disposition is Disposition.SENDING:
            self.flush()
            return
        if self._opening is not None:
            self._opening.cancel()
        self._clear_timer("answers")
        self._failed(DeliveryFailed("this gateway is being shut down"))

    # -- timers ------------------------------------------------------------------------------------------------------

    def _set_timer(self, name: str, seconds: float, action: Callable[[], None]) -> None:
        self._clear_timer(name)
        self._timers[name] = self._clock.callLater(seconds, self._fire, name, action)

    def _fire(self, name: str, action: Callable[[], None]) -> None:
        del self._timers[name]
        action()

    def _clear_timer(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def _clear_opening_timers(self) -> None:
        self._clear_timer("deadline")
        self._clear_timer("retry")
