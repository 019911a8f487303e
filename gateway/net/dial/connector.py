"""Connector: opens streams to other servers. Resolve, dial, negotiate; give up with a reason (RFC 6120 §3.2, XEP-0368).

The time for opening a stream is shared among the servers of the domain, so that one that stays silent leaves some for
the others. `tries` decides what follows a failure. Each stream leaves a record with the steps that led to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.python.failure import Failure

from gateway.federation.broken_streams import BrokenStream
from gateway.federation.delivery_failures import TOO_BUSY, DeliveryFailed, failure_of
from gateway.federation.outbound import OutboundSession, WhenGone
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.connection.idle_parsers import IdleParsers
from gateway.net.connection.life import Timing
from gateway.net.connection.protocol import StreamProtocol
from gateway.net.connection.reading_turns import ReadingShares
from gateway.net.dial.dialling import Build, Dialled, dial
from gateway.net.dial.time_shares import TimeShare
from gateway.net.dial.tries import AddressTry, Shown, Tries, TryEnding
from gateway.net.dial.underway import MOST_UNDERWAY, StreamsUnderway
from gateway.net.dns.resolver import Resolver
from gateway.net.dns.targets import Resolution, Target
from gateway.net.listen.connection_limits import Complaints, NotDialled, Places
from gateway.net.tls.contexts import TLSContexts
from gateway.net.trust.witness import Witnesses
from gateway.notices.attempts.records import AttemptStep, Direction, Kind
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import Publish
from gateway.routing.policy import accept_answer
from gateway.stream.budget import Budget
from gateway.stream.facts import Means, Role, ServerFacts, Terms
from gateway.stream.profiles import Profile
from gateway.stream.sessions import Connection, NewSession
from gateway.stream.stream import Stream
from gateway.stream.tools import StreamTools
from gateway.timing.reactor import IReactor
from gateway.timing.steady_time import time_of_day
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.errors import DiallingFailed, ResolutionFailed, StreamCondition, StreamError

_MOST_TRIES = 16  # for one stream
_MOST_FOR_QUESTIONS = 4  # because strangers can make us ask
_WITHOUT_TLS = frozenset({"starttls"})  # a feature that has been tried is not tried again


@dataclass(frozen=True, kw_only=True)
class DialTerms:
    """The terms of opening a stream: where the server is, unless DNS says it, and how many seconds there are.

    `terms` are those of the stream itself.
    """

    terms: Terms
    connect: str | None = None
    direct_tls: bool = True
    seconds: float = 30


class Connector:
    """Opens streams; a StreamOpener."""

    def __init__(
        self,
        reactor: IReactor,
        *,
        resolver: Resolver,
        contexts: TLSContexts,
        judge: CertificateJudge,
        dial_terms: Callable[[Domain], DialTerms],
        session: Callable[[StreamLog, DomainPair, WhenGone, BrokenStream | None, Connection], OutboundSession],
        profiles: tuple[Profile, Profile],
        tools: StreamTools,
        budget: Budget,
        timing: Timing,
        idle_parsers: IdleParsers,
        reading_shares: ReadingShares,
        publish: Publish,
        numbers: Iterator[int],
        places: Places,
        witnesses: Witnesses,
    ) -> None:
        """`profiles` are for stanzas, and for questions about keys only; `numbers` identifies attempts."""
        self._reactor = reactor
        self._resolver = resolver
        self._contexts = contexts
        self._judge = judge
        self._dial_terms = dial_terms
        self._session = session
        self._profiles = profiles
        self._tools = tools
        self._budget = budget
        self._timing = timing
        self._idle_parsers = idle_parsers
        self._reading_shares = reading_shares
        self._publish = publish
        self._numbers = numbers
        self._time_of_day = time_of_day(reactor)
        self._places = places
        self._witnesses = witnesses
        self._underway = StreamsUnderway(reactor)
        self._complaints = Complaints(publish, NotDialled)

    def open(
        self, pair: DomainPair, gone: WhenGone, *, only_questions: bool, resuming: BrokenStream | None = None
    ) -> Deferred[OutboundSession]:
        """Return a session whose stream is established; fail with DeliveryFailed, also when cancelled."""
        if not self._places.are_left_for_us:
            why = f"{self._places.taken} of {self._places.most} streams are open ([limits] streams)"
            self._complaints.tell(pair.target, why, self._reactor.seconds())
            return fail(DeliveryFailed(why, TOO_BUSY))
        self._take_place()
        opening = Deferred.fromCoroutine(self._open(pair, gone, only_questions, resuming))
        return opening.addCallbacks(self._opened, self._not_opened)

    def _opened(self, session: OutboundSession) -> OutboundSession:
        session.connection.when_lost().addCallback(lambda _: self._give_back_place())
        return session

    def _not_opened(self, failure: Failure) -> Failure:
        self._give_back_place()
        return failure

    def _take_place(self) -> None:
        self._places.take()
        self._places.ours += 1

    def _give_back_place(self) -> None:
        self._places.give_back()
        self._places.ours -= 1

    async def _open(
        self, pair: DomainPair, gone: WhenGone, only_questions: bool, resuming: BrokenStream | None
    ) -> OutboundSession:
        kind = Kind.KEYS if only_questions else Kind.SERVER
        log = self._log(pair, kind, f"looking up {pair.target}")
        dial = self._dial_terms(pair.target)
        until = self._reactor.seconds() + dial.seconds
        resolution = await self._resolve(log, pair.target, dial, only_questions)
        tries = Tries(resolution, dial.terms, _MOST_FOR_QUESTIONS if only_questions else _MOST_TRIES)
        steps: list[str] = []  # of connecting, in the present attempt
        silent = True  # no server has sent anything
        while (this := tries.next()) is not None:
            if not log.is_open:
                log, steps, silent = self._log(pair, kind, this.why), [], True
            first = this.target.addresses[0]
            if not await self._has_turn(this.target, log, tries, asks=only_questions):
                continue
            if this.in_clear:
                log.step(AttemptStep.TLS, "skipped: the handshake failed before, and require_tls = false")
            new_session = partial(self._session, log, pair, gone, resuming)
            facts = _facts(pair, this, resuming)
            share = TimeShare(self._reactor, until, tries.parts(this))
            try:
                build = partial(self._protocol, new_session=new_session, facts=facts, only_questions=only_questions)
                dialled = await self._dial(this.target, log, build, steps, share)
                protocol = dialled.protocol
                session = _session_of(protocol)
                return await self._negotiated(protocol, session, pair, share)
            except DiallingFailed as failure:
                silent = silent and failure.silent
                if tries.not_reached(failure):
                    log.step(AttemptStep.CONNECT, "; ".join(steps), ok=False)
                    log.end(Verdict.NO_ANSWER if silent else Verdict.UNREACHABLE, "; ".join(steps))
            except DeliveryFailed as failure:
                tries.failed(this, _ending(this, session, dialled), failure)
            except CancelledError:
                record = log.record
                tries.timed_out(record.reason if record is not None else "there was no time left")
            finally:
                self._underway.end(first, this.target.port, asks=only_questions)
        raise tries.outcome()

    async def _has_turn(self, target: Target, log: StreamLog, tries: Tries, *, asks: bool) -> bool:
        """Wait until a stream to this address may be opened; return False if that cannot be now."""
        host = target.addresses[0]
        turn = self._underway.begin(host, target.port, asks=asks)
        if turn is not None:
            if not turn.called:
                log.doing(f"waiting until fewer than {MOST_UNDERWAY} streams to {host} are being opened")
            try:
                await turn
            except CancelledError:
                tries.clear()
            else:
                return True
        why = f"{MOST_UNDERWAY} streams to {host} are already being opened"
        log.end(Verdict.UNREACHABLE, why)
        tries.crowded(why)
        return False

    async def _negotiated(
        self, protocol: StreamProtocol, session: OutboundSession, pair: DomainPair, share: TimeShare
    ) -> OutboundSession:
        """Return the session once the pair is proved on it; leave a server that takes longer than its share."""
        why = f"it did not answer in its share of the time, {share.seconds:.3g} s ([peers] connect_seconds)"
        error = StreamError(StreamCondition.CONNECTION_TIMEOUT, "negotiation took too long", reason=why)
        share.begin(lambda: protocol.dismiss(error), is_busy=lambda: bool(session.facts.asserted))
        try:
            return await session.when_proved(pair)
        except CancelledError:
            session.narrator.gave_up("negotiation took too long")
            protocol.abort("negotiation took too long")
            raise
        finally:
            share.end()

    async def _resolve(self, log: StreamLog, domain: Domain, dial: DialTerms, only_questions: bool) -> Resolution:
        try:
            resolution = await self._resolver.resolve(
                domain,
                direct_tls=dial.direct_tls,
                connect=dial.connect,
                for_strangers=only_questions,
                dane=dial.terms.allow(Means.DANE),
            )
        except ResolutionFailed as failure:
            log.step(AttemptStep.RESOLVE, "; ".join(failure.steps), ok=False)
            verdict = Verdict.NO_SUCH_DOMAIN if failure.permanent else Verdict.DNS_FAILED
            if failure.bogus:
                verdict = Verdict.DNS_BOGUS
            log.end(verdict, failure.sentence)
            raise failure_of(verdict, failure.sentence) from failure
        except CancelledError:
            log.end(Verdict.TIMEOUT, "name resolution took too long")
            raise failure_of(Verdict.TIMEOUT, "name resolution took too long") from None
        log.step(AttemptStep.RESOLVE, "; ".join(resolution.steps))
        return resolution

    async def _dial(
        self, target: Target, log: StreamLog, build: Build[StreamProtocol], steps: list[str], share: TimeShare
    ) -> Dialled[StreamProtocol]:
        log.doing(f"connecting to {target.host} port {target.port}")
        dialling = Deferred.fromCoroutine(
            dial(
                self._reactor,
                [target],
                build,
                note=steps.append,
            )
        )
        share.begin(dialling.cancel)
        try:
            return await dialling
        except CancelledError:
            if share.is_over:
                raise DiallingFailed("; ".join(steps), permanent=False, steps=steps, silent=True) from None
            log.step(AttemptStep.CONNECT, "; ".join(steps), ok=False)
            log.end(Verdict.NO_ANSWER, "; ".join(steps) or "connecting took too long")
            raise
        finally:
            share.end()

    def _protocol(
        self, target: Target, *, new_session: NewSession, facts: ServerFacts, only_questions: bool
    ) -> StreamProtocol:
        profile = self._profiles[1] if only_questions else self._profiles[0]
        direct = target.tls == "direct"
        return StreamProtocol(
            Stream(profile, facts, accept_answer, self._tools, self._budget),
            new_session,
            clock=self._reactor,
            judge=self._judge,
            tls=lambda _: self._contexts.connecting(*facts.pair, direct=direct),
            timing=self._timing,
            direct_tls=direct,
            idle_parsers=self._idle_parsers,
            turns=self._reading_shares,
            witness=self._witnesses.at_target(target.tlsa),
        )

    def _log(self, pair: DomainPair, kind: Kind, doing: str) -> StreamLog:
        return StreamLog(
            self._publish,
            self._reactor.seconds,
            next(self._numbers),
            Direction.OUT,
            kind=kind,
            local=pair.sender,
            remote=pair.target,
            doing=doing,
            began=self._time_of_day(),
        )


def _session_of(protocol: StreamProtocol) -> OutboundSession:
    """Return the session that was made with one of our connections."""
    session = protocol.session
    assert isinstance(session, OutboundSession)
    return session


def _facts(pair: DomainPair, this: AddressTry, resuming: BrokenStream | None) -> ServerFacts:
    """Return the facts at the start of a stream that we open."""
    return ServerFacts(
        role=Role.INITIATING,
        local=pair.sender,
        remote=pair.target,
        terms=this.terms,
        resuming=resuming.resumable if resuming is not None else None,
        tried=_WITHOUT_TLS if this.in_clear else frozenset(),
    )


def _ending(this: AddressTry, session: OutboundSession, dialled: Dialled[StreamProtocol]) -> TryEnding:
    """Return how an attempt ended that had a connection."""
    narrator, facts = session.narrator, session.facts
    return TryEnding(
        verdict=session.log.verdict,
        their_error=narrator.their_error,
        by_them=narrator.was_left,
        shown=_shown(this, facts),
        failed=narrator.failed,
        untried=dialled.untried,
    )


def _shown(this: AddressTry, facts: ServerFacts) -> Shown:
    """Return how far TLS came, and what the other server proved by it."""
    if facts.remote is not None and facts.certificate_proves(facts.remote):
        return Shown.DOMAIN
    is_broken = "starttls" in facts.tried and not facts.encrypted and not this.in_clear
    return Shown.BROKEN_TLS if is_broken else Shown.NOTHING
