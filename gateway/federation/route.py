"""RemoteRoute: the route of one domain pair's stanzas to another server.

One disposition at a time; the last two are of a route with an outbox alone, in which stanzas are *kept*:

idle         no stream is wanted; the first stanza wants one
queueing     a stream is being opened, or will be when the domain may be tried again; stanzas wait, in order, bounded
sending      stanzas are written to the stream, as far as it has room
waiting      stanzas are kept, the last try failed, and the next one has its time
catching up  a stream is open, and what is kept goes out on it; what comes is kept behind it

When opening fails, everything that waits in memory is bounced, in order, once, and the route is idle, or waiting. When
the stream breaks, what it gives back, as not acknowledged (XEP-0198), is sent again before what waits: from the outbox
where the stanza is kept, else from memory. What a stream without acknowledgements may have lost is named in a notice.
Requests that were written get some time for an answer on another stream, then an error.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.federation.backoff import Backoff, Wait
from gateway.federation.delivery import KEY_INVALID, NOT_THERE, UNWILLING, DeliveryFailed, StreamEnd
from gateway.federation.resumable_streams import RESUME_SECONDS
from gateway.federation.session import ServerSession, StreamUser
from gateway.notices.attempts.records import Kind
from gateway.notices.notices import MaybeLost, Publish, SentAgain, StanzasPassed, TakenForDelivered, TooMuch
from gateway.outbox.backlog import KeepRules, KeptBacklog
from gateway.outbox.keeper import Keeper
from gateway.outbox.window import Break
from gateway.routing.disposition import Disposition
from gateway.routing.interfaces import IStreamRoute
from gateway.routing.outflow import Lately, Outflow, OutflowBounds, QueueSpace
from gateway.routing.requests import RequestKey
from gateway.routing.router import Router
from gateway.timing.timers import Timers
from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.namespaces import PING
from gateway.xmpp.stanzas import CONTENT, Stanza

RETRY_SECONDS = 15.0
"""Before the next try where nothing else says when."""
_DEFINITE = (NOT_THERE, UNWILLING, KEY_INVALID)
"""What no waiting mends."""


@dataclass(frozen=True, kw_only=True)
class RouteRules:
    """How long and how much may wait for a stream to this domain; seconds and counts."""

    allow: bool = True
    queue_stanzas: int = 10_000
    connect_seconds: float = 30
    answer_seconds: float = 10  # for answers to requests on a stream that broke
    silence_seconds: float = 65  # what was written longer ago has arrived, or the stream has been given up
    keep: KeepRules = field(default_factory=KeepRules)


OpenStream = Callable[[DomainPair], Deferred[ServerSession]]


@implementer(IStreamRoute)
class RemoteRoute:
    """The route of one domain pair, of which the sender is ours or relayed by us."""

    def __init__(
        self,
        pair: DomainPair,
        rules: RouteRules,
        *,
        open_stream: OpenStream,
        router: Router,
        backoff: Backoff,
        space: QueueSpace,
        clock: IReactorTime,
        publish: Publish,
        at_rest: Callable[[RemoteRoute], None],
        keeper: Keeper | None = None,
    ) -> None:
        """`at_rest` hears when there is nothing left that this route would have to remember.

        `keeper` has the outbox; without one, stanzas wait in memory alone.
        """
        self.pair = pair
        self.rules = rules
        self.disposition = Disposition.IDLE
        self.sent = 0
        self._open_stream = open_stream
        self._router = router
        self._backoff = backoff
        self._clock = clock
        self._publish = publish
        self._at_rest = at_rest
        self.outflow = Outflow(OutflowBounds(most_stanzas=rules.queue_stanzas), space, clock)
        self._written = Lately(rules.silence_seconds)
        self._is_closed = False
        self._session: ServerSession | None = None
        self._opening: Deferred[ServerSession] | None = None
        self._timers = Timers(clock)
        self._careful_for = 0  # stanzas that came back: the next managed stream takes them one by one
        self._suspect: Stanza | None = None  # that came back alone
        self._unanswered: frozenset[RequestKey] = frozenset()  # asked on a stream that has ended
        self._keeper = keeper
        self._backlog = KeptBacklog(pair, keeper, self) if keeper is not None else None
        if keeper is not None:
            self.outflow.overdue = self._spill

    @property
    def queued(self) -> int:
        """How many stanzas wait, with those that are kept and not settled."""
        return self.in_memory + self.kept

    @property
    def kept(self) -> int:
        """How many stanzas are kept and not settled."""
        return self._keeper.waiting(self.pair) if self._keeper is not None else 0

    @property
    def in_memory(self) -> int:
        """How many stanzas wait in memory alone."""
        return len(self.outflow) + (self._backlog.following if self._backlog is not None else 0)

    @property
    def _has_kept(self) -> bool:
        return self._backlog is not None and not self._backlog.is_empty

    @property
    def _keeps(self) -> bool:
        return self._backlog is not None and (self.rules.keep.level != "no" or not self._backlog.is_empty)

    # -- as an IRoute ------------------------------------------------------------------------------------------------

    def deliver(self, stanza: Stanza) -> None:
        """Write it with the next flush, or let it wait for a stream."""
        if self.outflow.flows:
            self.outflow.add(stanza)
        elif not self.rules.allow:
            text = f"nothing is exchanged with {self.pair.target}"
            self._router.bounce(stanza, StanzaError(StanzaCondition.NOT_ALLOWED, text))
            self._leave_when_at_rest()
        elif self._keeps and self._keep(stanza):
            pass
        elif self.disposition is Disposition.CATCHING_UP and not len(self.outflow):
            self.outflow.add(stanza)
        elif not self.outflow.hold(stanza):
            self._refuse(stanza)
        elif self.disposition in (Disposition.IDLE, Disposition.WAITING):
            self._begin()

    def _keep(self, stanza: Stanza) -> bool:
        """Keep a stanza that cannot be written at once, or have it follow what is kept.

        False where it waits in memory, as without an outbox; so it does on an open stream, until it is overdue.
        """
        if self.disposition is Disposition.SENDING:
            return False
        assert self._backlog is not None
        if self.disposition in (Disposition.IDLE, Disposition.WAITING):
            failed = self._failed_lately()
            if failed is not None and failed.told in _DEFINITE:
                self._router.bounce(stanza, failed.stanza_error(self.pair.target))
                self._leave_when_at_rest()
                return True
        if self._backlog.takes(stanza):
            if self.disposition is Disposition.IDLE:
                self._begin()
            return True
        if self._is_held or not self._backlog.must_follow:
            return False
        if not self._backlog.follow(stanza):
            self.outflow.refused += 1
            self._refuse(stanza)
        elif self.disposition in (Disposition.IDLE, Disposition.WAITING):
            self._begin()
        return True

    def _spill(self) -> None:
        """Something waits for room on an open stream for too long to be left in memory alone."""
        session, backlog = self._session, self._backlog
        assert self._keeper is not None
        if session is None or backlog is None or self.rules.keep.level == "no" or not self._keeper.takes:
            return
        self.disposition = Disposition.CATCHING_UP
        self.outflow.divert(True)
        waiting = self.outflow.take_all()
        if not backlog.has_begun:
            self._begin_backlog(session, backlog)
        backlog.spill(waiting)

    def _refuse(self, stanza: Stanza) -> None:
        """Bounce a stanza because too many wait; that is logged once until all have been sent or bounced."""
        domain = self.pair.target
        if self.outflow.refused == 1:
            limits = "[peers] queue_stanzas, [limits] queue_bytes"
            self._publish(TooMuch(domain=domain, why=f"{self.queued} are waiting already ({limits})"))
        text = f"too many stanzas wait for the server of {domain}"
        self._router.bounce(stanza, StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, text))

    def flush(self) -> Deferred[None] | None:
        """Write the batch, or put it into the outbox."""
        wait = self.outflow.flush()
        if self._backlog is None:
            return wait
        for_the_disk = self._backlog.flush()
        return wait if for_the_disk is None else for_the_disk

    # -- as the outflow's channel ------------------------------------------------------------------------------------

    @property
    def has_room(self) -> bool:
        """As `Channel.has_room`."""
        return self._session is not None and self._session.has_room

    def room(self) -> Deferred[None] | None:
        """As `Channel.room`."""
        assert self._session is not None
        return self._session.room()

    def send(self, batch: Sequence[Stanza]) -> None:
        """As `Channel.send`."""
        session = self._session
        assert session is not None
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

    def _tell_passed(self, batch: Sequence[Stanza], size: int) -> None:
        sender, target = self.pair
        self._publish(
            StanzasPassed(came_in=False, via=Kind.SERVER, source=sender, target=target, stanzas=batch, size=size)
        )

    # -- as the owner of a backlog -------------------------------------------------------------------------------------

    @property
    def keep_rules(self) -> KeepRules:
        """As `Owner.keep_rules`."""
        return self.rules.keep

    @property
    def asks_for_several(self) -> bool:
        """As `Owner.asks_for_several`: the stream carries this pair."""
        return False

    @property
    def stamps_as(self) -> Domain:
        """As `Owner.stamps_as`: towards a server behind us we speak for others, but have no right to their names."""
        return self.pair.target if self._router.is_own(self.pair.target) else self.pair.sender

    def bounce(self, stanza: Stanza, error: StanzaError) -> None:
        """As `Owner.bounce`."""
        self._router.bounce(stanza, error)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if "flush" not in self._timers:
            self._timers.start("flush", 0, self._flush_now)

    def _flush_now(self) -> None:
        self._router.flush()
        self._leave_when_at_rest()

    def write_kept(self, batch: Sequence[Stanza]) -> Collection[Stanza]:
        """As `Owner.write_kept`: what is kept is not lost with the stream, so no doubt about it is noted."""
        session = self._session
        assert session is not None
        refused: Collection[Stanza] = ()
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

    def write_follower(self, stanza: Stanza) -> None:
        """As `Owner.write_follower`."""
        self.outflow.add(stanza)
        self.outflow.flush()

    def doubted(self, count: int) -> None:
        """As `Owner.doubted`."""
        self._publish(TakenForDelivered(domain=self.pair.target, count=count))

    def ask(self, resource: str, answered: Callable[[], None]) -> None:
        """As `Owner.ask`."""
        assert self._session is not None
        sender = Address.make("", self.pair.sender, resource).full
        attributes = {"type": "get", "id": resource, "from": sender, "to": self.pair.target}
        ping = Stanza.from_element(Element(CONTENT, "iq", attributes, [Element(PING, "ping")]))
        self._router.own_questions.ask(ping, lambda _: answered())
        self._session.send([ping], ping.raw)

    def remember_only(self, stanzas: Sequence[Stanza]) -> None:
        """As `Owner.remember_only`."""
        for stanza in stanzas:
            if self.outflow.flows:
                self.outflow.add(stanza)
            elif not self.outflow.hold(stanza):
                self._refuse(stanza)
        self.outflow.flush()
        self._flush_soon()
        if self.disposition in (Disposition.IDLE, Disposition.WAITING):
            self._begin()

    def caught_up(self) -> None:
        """As `Owner.caught_up`."""
        if self.disposition is Disposition.CATCHING_UP:
            self.disposition = Disposition.SENDING
            self.outflow.divert(False)

    def emptied(self) -> None:
        """As `Owner.emptied`."""
        if self.disposition is Disposition.WAITING:
            self._timers.stop("again")
            self.disposition = Disposition.IDLE
        self._leave_when_at_rest()

    def has_hold_of(self, number: int) -> bool:
        """Whether a kept stanza is being sent, so that nobody else ends it."""
        return self._backlog is not None and self._backlog.has_hold_of(number)

    @property
    def _is_held(self) -> bool:
        return self._keeper is not None and self.pair.target in self._keeper.held

    def hold(self) -> None:
        """The operator wants nothing that is kept to be sent; from now on that is whatever comes and is to be kept."""
        backlog, session = self._backlog, self._session
        if backlog is None or session is None or self.rules.keep.level == "no":
            return
        if self.disposition is Disposition.SENDING:
            self.disposition = Disposition.CATCHING_UP
            self.outflow.divert(True)
            if not backlog.has_begun:
                self._begin_backlog(session, backlog)

    def release(self) -> None:
        """The operator wants it to be sent after all."""
        if self._backlog is not None and self.disposition is Disposition.CATCHING_UP:
            self._backlog.go_on()
        elif self.disposition is Disposition.WAITING:
            self._begin()

    def dropped(self) -> None:
        """The operator has dropped what was kept."""
        if self._backlog is not None:
            self._backlog.dropped()

    def _begin_backlog(self, session: ServerSession, backlog: KeptBacklog) -> None:
        session.watch(self.pair, backlog.acknowledged)
        backlog.begin(is_managed=session.is_managed)

    def wake(self) -> None:
        """Something is kept for this pair since before this process began: try the domain."""
        if self.disposition is Disposition.IDLE and self._has_kept:
            self._begin()

    def _without_larger(self, batch: Sequence[Stanza], largest: int) -> Sequence[Stanza]:
        """Return to their senders the stanzas that are larger than the other side takes (XEP-0478 §5)."""
        text = f"the server of {self.pair.target} takes no more than {largest} bytes in one stanza"
        error = StanzaError(StanzaCondition.POLICY_VIOLATION, text)
        larger = [stanza for stanza in batch if len(stanza.raw) > largest]
        for stanza in larger:
            self._router.bounce(stanza, error)
        if larger:
            self._router.flush()
        return [stanza for stanza in batch if len(stanza.raw) <= largest]

    # -- opening a stream ----------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if self._is_closed:
            self._failed(DeliveryFailed("this gateway is being shut down"))
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
            self._backlog.trying()
        now = self._clock.seconds()
        wait = self._wait(now)
        seconds = wait.retry_at - now if wait is not None else 0
        self.disposition = Disposition.QUEUEING
        self._timers.start("deadline", self.rules.connect_seconds, self._too_late)
        if wait is None:
            self._open()
        else:
            self._timers.start("retry", seconds, self._open)

    def _failed_lately(self) -> DeliveryFailed | None:
        """The last failure, where the next try is too far away to be waited for."""
        now = self._clock.seconds()
        wait = self._wait(now)
        last = wait.cause if wait is not None else None
        if wait is None or not isinstance(last, DeliveryFailed):
            return None
        seconds = wait.retry_at - now
        if not last.is_definite and seconds < self.rules.connect_seconds:
            return None
        reason = f"{last.reason}; that was the last attempt, and the next one is in {seconds:.0f} s"
        return DeliveryFailed(reason, last.told)

    def _wait(self, now: float) -> Wait | None:
        """The longer wait, where both the domain and the pair have failed."""
        waits = [wait for whom in (self.pair.target, self.pair) if (wait := self._backoff.wait(whom, now))]
        return max(waits, key=lambda wait: wait.retry_at, default=None)

    def _reached(self) -> None:
        self._backoff.reached(self.pair.target)
        self._backoff.reached(self.pair)

    def retry(self) -> None:
        """Try now, whatever came before: an operator asks for it, or the domain has shown that it is there."""
        self._reached()
        if self.disposition is Disposition.QUEUEING and self._opening is None:
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
        if session.is_managed:  # it is the acknowledgement that shows whether stanzas get through
            self._backoff.reached(self.pair.target)
        else:
            self._reached()
        self._session = session
        if self._has_kept or (self._keeps and (self.rules.keep.level == "all" or self._is_held)):
            self.disposition = Disposition.CATCHING_UP
        else:
            self.disposition = Disposition.SENDING
        self.outflow.is_diverted = self.disposition is Disposition.CATCHING_UP
        if session.was_resumed:  # the other side has forgotten nothing, and will answer
            self._timers.stop("doubt", "answers")
            self._unanswered = frozenset()
        elif "doubt" in self._timers:
            self._await_answers()
        if self._careful_for and session.is_managed:
            session.be_careful(self._careful_for)
        self._careful_for = 0
        session.carry(self.pair, StreamUser(ended=self._stream_ended, take_back=self._take_back))
        self.outflow.open(self)
        if self._backlog is not None and self.disposition is Disposition.CATCHING_UP:
            self._backlog.reached()
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
            failure.raiseException()  # our own bug: let it be logged with its traceback

    def _too_late(self) -> None:
        opening = self._opening
        if opening is not None:
            opening.cancel()  # which fails it, and leads to _not_opened
        else:
            self._failed(DeliveryFailed(f"no stream was established after {self.rules.connect_seconds:g} s"))

    def _failed(self, failed: DeliveryFailed, *, tried: bool = False) -> None:
        self._timers.stop("deadline", "retry", "again")
        self.disposition = Disposition.IDLE
        self._bounce_waiting(failed)
        if self._backlog is not None and self._has_kept and not self._is_closed:
            self.disposition = Disposition.WAITING
            now = self._clock.seconds()
            wait = self._wait(now)
            seconds = max(1.0, wait.retry_at - now) if wait is not None else RETRY_SECONDS
            self._timers.start("again", seconds, self._try_again)
            if tried:
                error = failed.stanza_error(self.pair.target)
                self._backlog.failed(str(error.condition), error, definite=failed.told in _DEFINITE)
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
        doubt = self._written.take(self._clock.seconds(), stuck=end.stuck)
        if doubt.count and not end.cleanly:
            self._publish(
                MaybeLost(domain=self.pair.target, count=doubt.count, seconds=doubt.seconds, reason=end.reason)
            )
        returned = self._keep_rest(end) if self._keeps else end.returned.get(self.pair, ())
        if end.stalled:
            self._bounce_waiting(DeliveryFailed(end.reason))
        self._answer_unanswered()
        self._unanswered = self._router.requests.waiting(self.pair)
        if end.resuming:  # what may be sent again is not answered before that is known
            self._timers.start("doubt", RESUME_SECONDS, self._await_answers)
        else:
            self._await_answers()
        if end.blamed is not None and _pair_of(end.blamed) == self.pair:
            text = f"the server of {self.pair.target} does not take it"
            self._router.bounce(end.blamed, StanzaError(StanzaCondition.NOT_ACCEPTABLE, text, reason=end.reason))
            self._router.flush()
        if end.led_on:
            self._backoff.reached(self.pair)
        elif end.in_vain and not end.resuming:
            self._backoff.failed(self.pair, self._clock.seconds(), DeliveryFailed(end.reason))
        if returned:
            self._send_again(returned)
        elif end.resuming or len(self.outflow) or self._has_kept:
            self._begin()

    def _keep_rest(self, end: StreamEnd) -> Sequence[Stanza]:
        """Keep what was not acknowledged on a stream that broke, and what waited; the answer is what is not kept."""
        backlog = self._backlog
        assert backlog is not None
        returned = end.returned.get(self.pair, [])
        waiting = self.outflow.take_all()
        kept = backlog.broke(
            Break.THEIRS if end.theirs else Break.OTHER,
            end.in_doubt.get(self.pair, []) if end.resuming else returned,
            resuming=end.resuming,
            blamed=end.blamed,
        )
        self.outflow.put_first([each for each in waiting if not backlog.takes(each) and not self._follows(each)])
        backlog.flush()
        return [each for each in returned if id(each) not in kept]

    def _follows(self, stanza: Stanza) -> bool:
        """Have a stanza that is not kept follow what is, where there is something to follow."""
        assert self._backlog is not None
        return not self._is_held and self._backlog.must_follow and self._backlog.follow(stanza)

    def _take_back(self, stanzas: Sequence[Stanza]) -> None:
        """It is known what was not acknowledged on a stream that broke."""
        if self._backlog is not None:
            stanzas = self._backlog.returned(stanzas)
        if stanzas:
            self._send_again(stanzas)

    def _send_again(self, stanzas: Sequence[Stanza]) -> None:
        """These were not acknowledged on a stream that broke: they are sent again, before everything else."""
        for stanza in stanzas:
            if stanza.is_request:  # it has still to be asked
                self._router.requests.answered(self.pair, _mirrored(stanza))
        self._unanswered &= self._router.requests.waiting(self.pair)
        stanzas = self._without_blamed(stanzas)
        if stanzas:
            self._careful_for = len(stanzas)
            self.outflow.put_first(stanzas)
            self._publish(SentAgain(domain=self.pair.target, count=len(stanzas)))
        elif not len(self.outflow):
            return
        if self.disposition is Disposition.IDLE:
            self._begin()

    def _without_blamed(self, stanzas: Sequence[Stanza]) -> Sequence[Stanza]:
        """Bounce the stanza that came back alone for the second time: streams end over it, and others wait."""
        if len(stanzas) > 1:
            self._suspect = None
            return stanzas
        if self._suspect is not stanzas[0]:
            self._suspect = stanzas[0]
            return stanzas
        self._suspect = None
        self._backoff.reached(self.pair)  # the cause is known, and the others need not wait for it
        text = f"the server of {self.pair.target} does not take it"
        reason = "two streams ended while it was the only one that was not acknowledged"
        self._router.bounce(stanzas[0], StanzaError(StanzaCondition.NOT_ACCEPTABLE, text, reason=reason))
        self._router.flush()
        return ()

    def _await_answers(self) -> None:
        self._timers.stop("doubt")
        self._timers.start("answers", self.rules.answer_seconds, self._give_up_answers)

    def _give_up_answers(self) -> None:
        self._answer_unanswered()
        self._leave_when_at_rest()

    def _answer_unanswered(self) -> None:
        """What was asked on a stream that ended, and has not been answered on another one by now, is answered here."""
        unanswered, self._unanswered = self._unanswered, frozenset()
        if unanswered:
            failed = DeliveryFailed("the stream ended before an answer came")
            self._router.abandon(self.pair, failed.stanza_error(self.pair.target), unanswered)
            self._router.flush()

    def _leave_when_at_rest(self) -> None:
        if self.disposition is Disposition.IDLE and not self._timers and not self._has_kept:
            self._at_rest(self)

    def close(self) -> None:
        """Open nothing any longer; what is kept stays kept, what waits is bounced, what is being sent is written."""
        self._is_closed = True
        if self.disposition in (Disposition.SENDING, Disposition.CATCHING_UP):
            self.flush()
            return
        if self._opening is not None:
            self._opening.cancel()
        self._timers.stop("doubt", "answers")
        self._answer_unanswered()
        self._failed(DeliveryFailed("this gateway is being shut down"))


def _mirrored(request: Stanza) -> Stanza:
    """A response to a request, as far as its addresses and id go."""
    return Stanza("iq", b"", request.from_, request.to, "error", request.id)


def _pair_of(stanza: Stanza) -> DomainPair:
    assert stanza.from_ is not None
    assert stanza.to is not None
    return DomainPair(stanza.from_.domain, stanza.to.domain)
