"""RemoteRoute: the route of one domain pair's stanzas to another server.

It has one disposition at a time; the last two occur only with an outbox, in which stanzas are *kept*:

    idle         no stream is wanted; the first stanza wants one
    queueing     a stream is being opened, or will be when the domain may be tried again; stanzas wait, in order
    sending      stanzas are written to the stream, as far as it has room
    waiting      stanzas are kept, the last attempt failed, and the next one has its time
    catching up  a stream is open, and kept stanzas are sent on it; new ones are kept behind them

When opening fails, everything that waits in memory is bounced once, in order, and the route is idle, or waiting. When
the stream breaks, the stanzas that were not acknowledged (XEP-0198) are sent again before those that wait: from the
outbox if they are kept, else from memory. A notice names what a stream without acknowledgements may have lost. Requests
whose stream ended are left to `unanswered`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.federation.backoff import Backoff, Wait
from gateway.federation.delivery_failures import KEY_INVALID, NOT_THERE, UNWILLING, DeliveryFailed
from gateway.federation.session import ServerSession, StreamUser
from gateway.federation.stream_end import Headway, StreamEnd
from gateway.federation.unanswered import UnansweredRequests
from gateway.notices.attempts.records import Kind
from gateway.notices.notices import MaybeLost, Publish, SentAgain, StanzasPassed, TakenForDelivered, TooMuch
from gateway.outbox.backlog import KeptBacklog
from gateway.outbox.backlog_owner import KeepTerms, WhenProved
from gateway.outbox.keeper import Keeper
from gateway.outbox.retention import Keep, keeping
from gateway.outbox.settlement import Proof
from gateway.routing.disposition import Disposition
from gateway.routing.interfaces import IStreamRoute
from gateway.routing.outflow import Lately, Outflow, OutflowBounds, QueueSpace
from gateway.routing.router import Router
from gateway.stream.sessions import PeerReading
from gateway.timing.timers import Timers
from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import Misuse, StanzaCondition, StanzaError
from gateway.xmpp.namespaces import PING
from gateway.xmpp.stanzas import CONTENT, AddressedStanza

RETRY_SECONDS = 15.0
"""Seconds before the next attempt, unless something else determines it."""
_DEFINITE = (NOT_THERE, UNWILLING, KEY_INVALID)
"""The failures that waiting does not help against."""


@dataclass(frozen=True, kw_only=True)
class RouteTerms:
    """The terms of waiting for a stream to this domain: how long and how much; seconds and counts."""

    allow: bool = True
    queue_stanzas: int = 10_000
    connect_seconds: float = 30
    answer_seconds: float = 10  # for answers to requests on a stream that broke
    keep: KeepTerms = field(default_factory=KeepTerms)


OpenStream = Callable[[DomainPair], Deferred[ServerSession]]


@implementer(IStreamRoute)
class RemoteRoute:
    """The route of one domain pair whose sender is ours or relayed by us."""

    def __init__(
        self,
        pair: DomainPair,
        terms: RouteTerms,
        *,
        open_stream: OpenStream,
        router: Router,
        backoff: Backoff,
        space: QueueSpace,
        clock: IReactorTime,
        publish: Publish,
        at_rest: Callable[[RemoteRoute], None],
        keeper: Keeper | None = None,
        owner: str = "",
    ) -> None:
        """`at_rest` is called when this route has nothing left to remember.

        `owner` is whose share of the space the waiting stanzas use.
        `keeper` has the outbox; without one, stanzas wait in memory only.
        """
        self.pair = pair
        self.terms = terms
        self.disposition = Disposition.IDLE
        self.sent = 0
        self._open_stream = open_stream
        self._router = router
        self._backoff = backoff
        self._clock = clock
        self._publish = publish
        self._at_rest = at_rest
        self.outflow = Outflow(OutflowBounds(most_stanzas=terms.queue_stanzas), space, clock, owner)
        self._written = Lately(terms.keep.silence_seconds)
        self._closed_for = ""  # why no stream is opened any longer; empty: streams are opened
        self._session: ServerSession | None = None
        self._opening: Deferred[ServerSession] | None = None
        self._timers = Timers(clock)
        self._careful_for = 0  # returned stanzas, which the next managed stream sends a few at a time
        self._suspect: AddressedStanza | None = None  # the stanza that came back alone
        self._unanswered = UnansweredRequests(
            pair, router, clock, seconds=lambda: self.terms.answer_seconds, over=self._leave_when_at_rest
        )
        self._keeper = keeper
        self._backlog = KeptBacklog(pair, keeper, self) if keeper is not None else None
        if keeper is not None:
            self.outflow.overdue = self._spill

    @property
    def queued(self) -> int:
        """The number of waiting stanzas, including those that are kept and not settled."""
        return self.in_memory + self.kept

    @property
    def kept(self) -> int:
        """The number of stanzas that are kept and not settled."""
        return self._keeper.waiting(self.pair) if self._keeper is not None else 0

    @property
    def target(self) -> Domain:
        """Return the domain to which the route leads."""
        return self.pair.target

    @property
    def in_memory(self) -> int:
        """The number of stanzas that wait only in memory."""
        return len(self.outflow) + (self._backlog.following if self._backlog is not None else 0)

    @property
    def _has_kept(self) -> bool:
        return self._backlog is not None and not self._backlog.is_empty

    @property
    def _keeps(self) -> bool:
        backlog = self._backlog
        return backlog is not None and (self.terms.keep.level != "no" or not backlog.is_empty or self._is_opening)

    @property
    def _is_opening(self) -> bool:
        return self._keeper is not None and self._keeper.is_opening

    # -- as an IRoute ------------------------------------------------------------------------------------------------

    def deliver(self, stanza: AddressedStanza) -> None:
        """Write it with the next flush, or let it wait for a stream."""
        if self.outflow.flows:
            self.outflow.add(stanza)
        elif not self.terms.allow:
            text = f"nothing is exchanged with {self.pair.target}"
            self._router.bounce(stanza, StanzaError(StanzaCondition.NOT_ALLOWED, text))
            self._leave_when_at_rest()
        elif self._backlog is not None and self._keeps and self._keep(stanza, self._backlog):
            pass
        elif self.disposition is Disposition.CATCHING_UP and not len(self.outflow):
            self.outflow.add(stanza)
        elif not self.outflow.enqueue(stanza):
            self._refuse(stanza)
        elif self.disposition in (Disposition.IDLE, Disposition.WAITING):
            self._begin()

    def deliver_all(self, stanzas: Sequence[AddressedStanza]) -> None:
        """As `IStreamRoute.deliver_all`: nearly always, all of them are kept."""
        is_catching_up = self.disposition is Disposition.CATCHING_UP and self.terms.allow
        if is_catching_up and self._backlog is not None and self._keeps and self._backlog.takes_all(stanzas):
            return
        for stanza in stanzas:
            self.deliver(stanza)

    def _keep(self, stanza: AddressedStanza, backlog: KeptBacklog) -> bool:
        """Keep a stanza that cannot be written at once, or have it follow what is kept.

        False if it waits in memory, as without an outbox; on an open stream it does so until it is overdue.
        """
        if self.disposition is Disposition.SENDING:
            return False
        if self.disposition in (Disposition.IDLE, Disposition.WAITING):
            failed = self._failed_lately()
            if failed is not None and failed.told in _DEFINITE:
                self._router.bounce(stanza, failed.stanza_error(self.pair.target))
                self._leave_when_at_rest()
                return True
        if backlog.takes(stanza):
            if self.disposition is Disposition.IDLE:
                self._begin()
            return True
        if self._is_held or not backlog.must_follow:
            return False
        if not backlog.follow(stanza):
            self.outflow.refused += 1
            self._refuse(stanza)
        elif self.disposition in (Disposition.IDLE, Disposition.WAITING):
            self._begin()
        return True

    def _spill(self) -> None:
        """Something waits for room on an open stream for too long to be left in memory alone."""
        session, backlog, keeper = self._session, self._backlog, self._keeper
        if session is None or backlog is None or keeper is None or self.terms.keep.level == "no" or not keeper.takes:
            return
        self._fall_behind(session, backlog)
        backlog.spill(self.outflow.take_all())

    def _fall_behind(self, session: ServerSession, backlog: KeptBacklog, *, behind_others: bool = False) -> None:
        """Send what is kept from now on behind what has been written to the stream, as `KeptBacklog.adopt` says."""
        if not backlog.has_begun:
            self._begin_backlog(session, backlog)
        backlog.adopt(session.unacknowledged(self.pair), session.replace, behind_others=behind_others)
        self.disposition = Disposition.CATCHING_UP
        self.outflow.divert(True)

    def _refuse(self, stanza: AddressedStanza) -> None:
        """Bounce a stanza because too many wait; that is logged once until all have been sent or bounced."""
        domain = self.pair.target
        if self.outflow.refused == 1:
            limits = "[peers] queue_stanzas, [limits] queue_bytes"
            self._publish(TooMuch(domain=domain, why=f"{self.queued} are waiting already ({limits})"))
        text = f"too many stanzas are waiting for the server of {domain}"
        self._router.bounce(stanza, StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, text))

    def flush(self) -> Deferred[None] | None:
        """Write the batch, or put it into the outbox."""
        wait = self.outflow.flush()
        if self._backlog is None:
            return wait
        for_the_disk = self._backlog.flush()
        return wait if for_the_disk is None else for_the_disk

    @property
    def _open_session(self) -> ServerSession:
        if self._session is None:
            raise Misuse(f"there is no stream for {self.pair}")
        return self._session

    # -- as the outflow's channel ------------------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """As `Channel.has_room`."""
        return self._session is not None and self._session.has_room

    def room(self) -> Deferred[None] | None:
        """As `Channel.room`."""
        return self._open_session.room()

    def send(self, batch: Sequence[AddressedStanza]) -> None:
        """As `Channel.send`."""
        session = self._open_session
        data = b"".join([stanza.raw for stanza in batch])
        if session.largest is not None and len(data) > session.largest:
            batch = self._without_larger(batch, session.largest)
            if not batch:
                return
            data = b"".join([stanza.raw for stanza in batch])
        for stanza in batch:
            if stanza.name == "iq" and stanza.is_request:
                self._router.requests.asked(self.pair, stanza)
        self.sent += len(batch)
        if not session.is_managed:
            self._written.add(len(batch), self._clock.seconds())
        session.send(batch, data)
        self._tell_passed(batch, len(data))

    def _tell_passed(self, batch: Sequence[AddressedStanza], size: int) -> None:
        sender, target = self.pair
        self._publish(
            StanzasPassed(came_in=False, via=Kind.SERVER, source=sender, target=target, stanzas=batch, size=size)
        )

    # -- as the owner of a backlog -----------------------------------------------------------------------------------

    @property
    def keep_terms(self) -> KeepTerms:
        """As `BacklogOwner.keep_terms`."""
        return self.terms.keep

    @property
    def asks_for_several(self) -> bool:
        """As `BacklogOwner.asks_for_several`: the stream carries this pair."""
        return False

    @property
    def proof(self) -> Proof:
        """As `BacklogOwner.proof`."""
        return Proof.READ

    @property
    def stamps_as(self) -> Domain:
        """As `BacklogOwner.stamps_as`: to a server behind us we speak for others, but may not use their names."""
        return self.pair.target if self._router.is_own(self.pair.target) else self.pair.sender

    @property
    def largest(self) -> int | None:
        """As `BacklogOwner.largest`."""
        return self._session.largest if self._session is not None else None

    def bounce(self, stanza: AddressedStanza, error: StanzaError) -> None:
        """As `BacklogOwner.bounce`."""
        self._router.bounce(stanza, error)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if "flush" not in self._timers:
            self._timers.start("flush", 0, self._flush_now)

    def _flush_now(self) -> None:
        self._router.flush()
        self._leave_when_at_rest()

    def write_kept(self, batch: Sequence[AddressedStanza]) -> Collection[AddressedStanza]:
        """Write kept stanzas, as `BacklogOwner.write_kept`: they are not lost with the stream,
        so they cause no doubt.
        """
        self.outflow.flush_ahead()
        session = self._open_session
        refused: Collection[AddressedStanza] = ()
        if session.largest is not None and any(len(stanza.raw) > session.largest for stanza in batch):
            fitting = self._without_larger(batch, session.largest)
            refused = [stanza for stanza in batch if stanza not in fitting]
            batch = fitting
        if batch:
            data = b"".join([stanza.raw for stanza in batch])
            self.sent += len(batch)
            session.send(batch, data)
            self._tell_passed(batch, len(data))
        return refused

    def write_follower(self, stanza: AddressedStanza) -> None:
        """As `BacklogOwner.write_follower`."""
        self.outflow.add(stanza)
        self.outflow.flush()

    def doubted(self, count: int) -> None:
        """As `BacklogOwner.doubted`."""
        self._publish(TakenForDelivered(domain=self.pair.target, count=count))

    def ask(self, resource: str, answered: WhenProved) -> None:
        """As `BacklogOwner.ask`."""
        sender = Address.make("", self.pair.sender, resource).full
        attributes = {"type": "get", "id": resource, "from": sender, "to": self.pair.target}
        ping = AddressedStanza.from_element(Element(CONTENT, "iq", attributes, [Element(PING, "ping")]))
        self._router.own_questions.ask(ping, lambda _: answered(self.proof))
        self._open_session.send([ping], ping.raw)

    def remember_only(self, stanzas: Sequence[AddressedStanza]) -> None:
        """As `BacklogOwner.remember_only`."""
        for stanza in stanzas:
            if self.outflow.flows:
                self.outflow.add(stanza)
            elif not self.outflow.enqueue(stanza):
                self._refuse(stanza)
        self.outflow.flush()
        self.outflow.drain()
        self._flush_soon()
        if self.disposition in (Disposition.IDLE, Disposition.WAITING):
            self._begin()

    def caught_up(self) -> None:
        """As `BacklogOwner.caught_up`."""
        if self.disposition is Disposition.CATCHING_UP:
            self.disposition = Disposition.SENDING
            self.outflow.divert(False)

    def emptied(self) -> None:
        """As `BacklogOwner.emptied`."""
        if self.disposition is Disposition.WAITING:
            self._timers.stop("again")
            self.disposition = Disposition.IDLE
        self._leave_when_at_rest()

    def has_hold_of(self, number: int) -> bool:
        """Return whether a kept stanza is being sent, so that nobody else may end it."""
        return self._backlog is not None and self._backlog.has_hold_of(number)

    @property
    def _is_held(self) -> bool:
        return self._keeper is not None and self.pair.target in self._keeper.held

    def hold(self) -> None:
        """Send no kept stanzas, on the operator's request; from now on all stanzas to be kept are kept."""
        backlog, session = self._backlog, self._session
        if backlog is None or session is None or self.terms.keep.level == "no":
            return
        if self.disposition is Disposition.SENDING:
            self._fall_behind(session, backlog)

    def release(self) -> None:
        """Resume sending kept stanzas, on the operator's request."""
        if self._backlog is not None and self.disposition is Disposition.CATCHING_UP:
            self._backlog.go_on()
        elif self.disposition is Disposition.WAITING:
            self._begin()

    def dropped(self) -> None:
        """Forget what was kept, because the operator has dropped it."""
        if self._backlog is not None:
            self._backlog.dropped()

    def _begin_backlog(self, session: ServerSession, backlog: KeptBacklog) -> None:
        session.watch(self.pair, backlog.acknowledged)
        backlog.begin(is_managed=session.is_managed)

    @property
    def only_waits(self) -> bool:
        """Return whether the route does nothing but wait for the next attempt, with all that it has on the disk."""
        is_waiting = self.disposition is Disposition.WAITING and not len(self.outflow)
        is_busy = self._unanswered.is_waiting or "flush" in self._timers
        return is_waiting and not is_busy and self._backlog is not None and self._backlog.is_as_on_disk

    def put_aside(self) -> None:
        """Stop waiting: somebody else remembers that this pair has kept stanzas."""
        self._timers.end()
        self.disposition = Disposition.IDLE

    def wake(self) -> None:
        """Try the domain, because an earlier process has left kept stanzas for this pair."""
        if self.disposition is Disposition.IDLE and self._has_kept:
            self._begin()

    def outbox_opened(self) -> None:
        """Put what waits in memory behind what the outbox has, now that it is known; or continue without the outbox."""
        if self._backlog is None:
            return
        if self.disposition in (Disposition.SENDING, Disposition.CATCHING_UP):
            if self.kept:
                self.learn()
            return
        if self._keeps:
            self._backlog.stand_behind(self.outflow.take_all())
        if self.disposition is not Disposition.QUEUEING:
            self.wake()
        elif "deadline" not in self._timers:
            self._begin()

    def learn(self) -> None:
        """Send what another node has left for this pair: somebody has put it into the outbox behind our back."""
        backlog, session = self._backlog, self._session
        if backlog is None:
            return
        if self.disposition is Disposition.SENDING and session is not None:
            self._fall_behind(session, backlog, behind_others=True)
            backlog.spill(self.outflow.take_all())
            backlog.learn()
        else:
            backlog.learn()
            self.wake()

    def _without_larger(self, batch: Sequence[AddressedStanza], largest: int) -> Sequence[AddressedStanza]:
        """Return to their senders the stanzas that are larger than the other side accepts (XEP-0478 §4)."""
        text = f"the server of {self.pair.target} accepts no more than {largest} bytes in one stanza"
        error = StanzaError(StanzaCondition.POLICY_VIOLATION, text)
        larger = [stanza for stanza in batch if len(stanza.raw) > largest]
        for stanza in larger:
            self._router.bounce(stanza, error)
        if larger:
            self._router.flush()
        return [stanza for stanza in batch if len(stanza.raw) <= largest]

    # -- opening a stream --------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._closed_for:
            self._failed(DeliveryFailed(self._closed_for))
            return
        if self._is_opening:  # what the outbox has must leave first; `outbox_opened` comes back to this
            self.disposition = Disposition.QUEUEING
            return
        if self._is_held and self._has_kept and not len(self.outflow):
            self._timers.stop("again")
            self.disposition = Disposition.WAITING
            return
        if (failed := self._failed_lately()) is not None:
            self._failed(failed)
            return
        self._timers.stop("again")
        if self._backlog is not None:
            self._backlog.attempts.begin()
        now = self._clock.seconds()
        wait = self._wait(now)
        seconds = wait.retry_at - now if wait is not None else 0
        self.disposition = Disposition.QUEUEING
        self._timers.start("deadline", self.terms.connect_seconds, self._too_late)
        if wait is None:
            self._open()
        else:
            self._timers.start("retry", seconds, self._open)

    def _failed_lately(self) -> DeliveryFailed | None:
        """Return the last failure, if the next attempt is too far away to wait for."""
        now = self._clock.seconds()
        wait = self._wait(now)
        last = wait.cause if wait is not None else None
        if wait is None or not isinstance(last, DeliveryFailed):
            return None
        seconds = wait.retry_at - now
        if not last.is_definite and seconds < self.terms.connect_seconds:
            return None
        reason = f"{last.reason}; that was the last attempt, and the next one is in {seconds:.0f} s"
        return DeliveryFailed(reason, last.told)

    def _wait(self, now: float) -> Wait | None:
        """Return the longer wait, if both the domain and the pair have failed."""
        if not self._backoff:  # nothing has failed for a while
            return None
        waits = [wait for whom in (self.pair.target, self.pair) if (wait := self._backoff.wait(whom, now))]
        return max(waits, key=lambda wait: wait.retry_at, default=None)

    def _reached(self) -> None:
        self._backoff.reached(self.pair.target)
        self._backoff.reached(self.pair)

    def retry(self) -> None:
        """Try now, despite earlier failures: an operator asks for it, or the domain has shown that it is there."""
        self._reached()
        if self.disposition is Disposition.QUEUEING and self._opening is None and not self._is_opening:
            self._timers.stop("retry")
            self._open()
        elif self.disposition is Disposition.WAITING:
            self._begin()

    def _open(self) -> None:
        opening = self._opening = self._open_stream(self.pair)
        opening.addCallbacks(self._opened, self._not_opened)

    def _opened(self, session: ServerSession) -> None:
        self._opening = None
        self._timers.stop("deadline", "retry")
        if session.is_managed:  # only an acknowledgement shows that stanzas get through
            self._backoff.reached(self.pair.target)
        else:
            self._reached()
        self._session = session
        if self._has_kept or (self._keeps and (self.terms.keep.level == "all" or self._is_held)):
            self.disposition = Disposition.CATCHING_UP
        else:
            self.disposition = Disposition.SENDING
        self.outflow.is_diverted = self.disposition is Disposition.CATCHING_UP
        self._unanswered.stream_opened(resumed=session.was_resumed)
        if self._careful_for and session.is_managed:
            session.be_careful(self._careful_for)
            self.outflow.singly = self._careful_for
        self._careful_for = 0
        session.carry(self.pair, StreamUser(ended=self._stream_ended, take_back=self._take_back))
        self.outflow.open(self)
        if self._backlog is not None and self.disposition is Disposition.CATCHING_UP:
            self._backlog.attempts.reached()
            self._begin_backlog(session, self._backlog)

    def _not_opened(self, failure: Failure) -> None:
        self._opening = None
        cause = failure.value
        failed = cause.afresh() if isinstance(cause, DeliveryFailed) else DeliveryFailed(failure.getErrorMessage())
        whom = self.pair if failed.of_the_pair else self.pair.target
        if not failed.is_ours:
            self._backoff.failed(whom, self._clock.seconds(), failed)
        self._failed(failed, tried=not failed.is_ours)
        if not isinstance(cause, DeliveryFailed):
            failure.raiseException()  # our own bug: have it logged with its traceback

    def _too_late(self) -> None:
        opening = self._opening
        if opening is not None:
            opening.cancel()  # which makes it fail, and leads to _not_opened
        else:
            self._failed(DeliveryFailed(f"no stream was established after {self.terms.connect_seconds:g} s"))

    def _failed(self, failed: DeliveryFailed, *, tried: bool = False) -> None:
        self._timers.stop("deadline", "retry", "again")
        self.disposition = Disposition.IDLE
        self._bounce_waiting(failed)
        if self._backlog is not None and self._has_kept and not self._closed_for:
            self.disposition = Disposition.WAITING
            now = self._clock.seconds()
            wait = self._wait(now)
            seconds = max(1.0, wait.retry_at - now) if wait is not None else RETRY_SECONDS
            self._timers.start("again", seconds, self._try_again)
            if tried:
                error = failed.stanza_error(self.pair.target)
                self._backlog.attempts.failed(str(error.condition), error, definite=failed.told in _DEFINITE)
        self._leave_when_at_rest()

    def _try_again(self) -> None:
        if self._has_kept:
            self._begin()
        else:
            self.disposition = Disposition.IDLE
            self._leave_when_at_rest()

    def _bounce_waiting(self, failed: DeliveryFailed) -> None:
        error = failed.stanza_error(self.pair.target)
        following = self._backlog.take_followers() if self._backlog is not None else []
        for stanza in [*self.outflow.take_all(), *following]:
            self._router.bounce(stanza, error)
        self._router.flush()

    # -- the end of a stream -----------------------------------------------------------------------------------------

    def _stream_ended(self, end: StreamEnd) -> None:
        self._session = None
        self.disposition = Disposition.IDLE
        self.outflow.shut()
        doubt = self._written.take(self._clock.seconds(), stuck=end.reading is not PeerReading.READ)
        if doubt.count and not end.cleanly:
            self._publish(
                MaybeLost(domain=self.pair.target, count=doubt.count, seconds=doubt.seconds, reason=end.reason)
            )
        returned: Sequence[AddressedStanza] = end.returned.get(self.pair, [])
        first = returned
        if self._backlog is not None and self._keeps:
            first = self._keep_rest(end, self._backlog)
        if end.reading is PeerReading.STALLED:
            self._bounce_waiting(DeliveryFailed(end.reason))
        self._unanswered.stream_ended(resuming=end.resuming)
        if end.blamed is not None and end.blamed.pair == self.pair:
            text = f"the server of {self.pair.target} does not accept it"
            self._router.bounce(end.blamed, StanzaError(StanzaCondition.NOT_ACCEPTABLE, text, reason=end.reason))
            self._router.flush()
        if end.headway is Headway.LED_ON:
            self._backoff.reached(self.pair)
        elif end.headway is Headway.IN_VAIN and not end.resuming:
            self._backoff.failed(self.pair, self._clock.seconds(), DeliveryFailed(end.reason))
        if returned:
            self._send_again(returned, first)
        if self.disposition is Disposition.IDLE and (end.resuming or len(self.outflow) or self._has_kept):
            self._begin()

    def _keep_rest(self, end: StreamEnd, backlog: KeptBacklog) -> Sequence[AddressedStanza]:
        """Keep unacknowledged stanzas of a broken stream, and those that waited; return those to be sent first."""
        rest = backlog.broke(
            end.made,
            end.unacknowledged.get(self.pair, []),
            resuming=end.resuming,
            in_vain=end.headway is Headway.IN_VAIN,
            blamed=end.blamed,
            waiting=self.outflow.take_all(),
            is_behind=self.outflow.is_diverted,
        )
        self.outflow.put_first(rest.left)
        return rest.first

    def _take_back(self, stanzas: Sequence[AddressedStanza], *, is_back: bool = True) -> None:
        """As `TakeBack`."""
        first = self._backlog.returned(stanzas) if self._backlog is not None else stanzas
        if stanzas:
            self._send_again(stanzas, first, is_back=is_back)

    def _send_again(
        self, stanzas: Sequence[AddressedStanza], first: Sequence[AddressedStanza], *, is_back: bool = True
    ) -> None:
        """Send again what a broken stream did not acknowledge: `first`, and then what is kept, or follows that."""
        requests = [stanza for stanza in stanzas if stanza.is_request]
        for request in requests:  # it will be registered again
            self._router.requests.answered(self.pair, _mirrored(request))
        self._unanswered.sent_again()
        following = [number for number, stanza in enumerate(stanzas, 1) if not self._is_to_be_kept(stanza)]
        was_alone = is_back and len(stanzas) == len(first) == 1
        first = self._without_blamed(first, was_alone=was_alone)
        last = max(len(first), *following[-1:], 0)
        if not last or (was_alone and not first):
            return
        self._careful_for = last
        self.outflow.put_first(first)
        self._publish(SentAgain(domain=self.pair.target, count=max(len(first), len(following))))
        if self.disposition in (Disposition.IDLE, Disposition.WAITING):
            self._begin()

    def _is_to_be_kept(self, stanza: AddressedStanza) -> bool:
        return self._keeps and keeping(stanza) is not Keep.NO

    def _without_blamed(self, first: Sequence[AddressedStanza], *, was_alone: bool) -> Sequence[AddressedStanza]:
        """Bounce the stanza that came back alone for the second time: streams end over it, and others wait."""
        if not was_alone:
            self._suspect = None
            return first
        if self._suspect is not first[0]:
            self._suspect = first[0]
            return first
        self._suspect = None
        self._backoff.reached(self.pair)  # the cause is known, and the others need not wait for it
        text = f"the server of {self.pair.target} does not accept it"
        reason = "two streams ended while it was the only unacknowledged stanza"
        self._router.bounce(first[0], StanzaError(StanzaCondition.NOT_ACCEPTABLE, text, reason=reason))
        self._router.flush()
        return ()

    def _leave_when_at_rest(self) -> None:
        is_busy = self._timers or self._unanswered.is_waiting or self._has_kept
        if self.disposition is Disposition.IDLE and not is_busy:
            self._at_rest(self)

    def reopen(self) -> None:
        """Open streams again, because the sender domain is ours again."""
        if self._closed_for:
            self._closed_for = ""
            self.wake()

    def close(self, why: str = "this gateway is being shut down") -> None:
        """Open no more streams: kept stanzas stay kept, waiting ones are bounced, those being sent are written."""
        self._closed_for = why
        if self.disposition in (Disposition.SENDING, Disposition.CATCHING_UP):
            self.flush()
            return
        if self._opening is not None:
            self._opening.cancel()
        self._unanswered.give_up()
        self._failed(DeliveryFailed(why))


def _mirrored(request: AddressedStanza) -> AddressedStanza:
    """Return a response to a request, with only its addresses and id."""
    return AddressedStanza("iq", b"", request.from_, request.to, "error", request.id)
