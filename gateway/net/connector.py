"""Connector: opens streams to other servers. Resolve, dial, negotiate; give up in words (RFC 6120 §3.2, XEP-0368).

A target whose TLS fails or which breaks off in the middle is not the end: the targets after it are dialled. Each stream
leaves an attempt record with the steps that led to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.python.failure import Failure

from gateway.addresses import Domain, DomainPair
from gateway.attempts.records import AttemptLog, Direction, Kind, Step
from gateway.attempts.verdicts import Verdict
from gateway.errors import DiallingFailed, Unreachable
from gateway.federation.broken import BrokenStream
from gateway.federation.delivery import TOO_BUSY, DeliveryFailed, failure_of
from gateway.federation.outbound import Gone, OutboundSession
from gateway.net.certificates import CertificateJudge
from gateway.net.contexts import TLSContexts
from gateway.net.dialling import Dialled, dial
from gateway.net.porter import Complaints, NotDialled, Places, Underway
from gateway.net.protocol import StreamProtocol, Timing
from gateway.net.resolver import Resolver
from gateway.net.slumber import Slumber
from gateway.net.steady import time_of_day
from gateway.net.targets import Target
from gateway.notices import Publish
from gateway.policy import accept_answer
from gateway.profiles import Profile
from gateway.stream.codec import Budget
from gateway.stream.facts import Facts, Role, Terms
from gateway.stream.stream import Stream, StreamTools

# After these, another server of the same domain may do better.
_ANOTHER_MAY_DO_BETTER = {Verdict.TLS_FAILED, Verdict.CONNECTION_LOST, Verdict.TIMEOUT}


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a remote domain is to be reached: a configured place or DNS, and on what terms."""

    terms: Terms
    connect: str | None = None
    direct_tls: bool = True


class Connector:
    """Opens streams; a StreamOpener."""

    def __init__(
        self,
        reactor: Any,
        *,
        resolver: Resolver,
        contexts: TLSContexts,
        judge: CertificateJudge,
        way_to: Callable[[Domain], Way],
        session: Callable[[AttemptLog, DomainPair, Gone, BrokenStream | None], OutboundSession],
        profiles: tuple[Profile, Profile],
        tools: StreamTools,
        budget: Budget,
        timing: Timing,
        slumber: Slumber,
        publish: Publish,
        numbers: Iterator[int],
        places: Places,
    ) -> None:
        """`profiles`: for stanzas, and for questions about keys only; `numbers` tells attempts from each other."""
        self._reactor = reactor
        self._resolver = resolver
        self._contexts = contexts
        self._judge = judge
        self._way_to = way_to
        self._session = session
        self._profiles = profiles
        self._tools = tools
        self._budget = budget
        self._timing = timing
        self._slumber = slumber
        self._publish = publish
        self._numbers = numbers
        self._time_of_day = time_of_day(reactor)
        self._places = places
        self._underway = Underway()
        self._complaints = Complaints(publish, NotDialled)

    def open(
        self, pair: DomainPair, gone: Gone, *, only_questions: bool, resuming: BrokenStream | None = None
    ) -> Deferred[OutboundSession]:
        """A session whose stream is established; fails with DeliveryFailed, also when it is cancelled."""
        if not self._places.are_left_for_us:
            why = f"{self._places.taken} of {self._places.most} streams are open ([limits] streams)"
            self._complaints.tell(pair.target, why, self._reactor.seconds())
            return fail(DeliveryFailed(why, TOO_BUSY))
        self._take_place()
        opening = Deferred.fromCoroutine(self._open(pair, gone, only_questions, resuming))
        return opening.addCallbacks(self._opened, self._not_opened)

    def _opened(self, session: OutboundSession) -> OutboundSession:
        if session.connection is None:
            self._give_back_place()
        else:
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
        self, pair: DomainPair, gone: Gone, only_questions: bool, resuming: BrokenStream | None
    ) -> OutboundSession:
        kind = Kind.KEYS if only_questions else Kind.SERVER
        attempt = self._attempt(pair, kind, f"looking up {pair.target}")
        way = self._way_to(pair.target)
        targets = await self._resolve(attempt, pair.target, way, only_questions)
        first = targets[0].addresses[0]
        if not self._underway.begin(first):
            why = f"{self._underway.most} streams to {first} are being opened already"
            attempt.end(Verdict.UNREACHABLE, why)
            raise DeliveryFailed(why, TOO_BUSY)
        try:
            return await self._open_one(pair, gone, only_questions, resuming, attempt, way, targets)
        finally:
            self._underway.end(first)

    async def _open_one(
        self,
        pair: DomainPair,
        gone: Gone,
        only_questions: bool,
        resuming: BrokenStream | None,
        attempt: AttemptLog,
        way: Way,
        targets: Sequence[Target],
    ) -> OutboundSession:
        kind = attempt.kind
        while True:
            session = self._session(attempt, pair, gone, resuming)
            facts = Facts(
                role=Role.INITIATING,
                local=pair.sender,
                remote=pair.target,
                terms=way.terms,
                resuming=resuming.resumable if resuming is not None else None,
            )
            dialled = await self._dial(targets, session, facts, only_questions)
            targets = targets[targets.index(dialled.target) + 1 :]
            try:
                return await session.when_proved(pair)
            except CancelledError:
                attempt.end(Verdict.TIMEOUT, "negotiation took too long")
                dialled.protocol.abort("negotiation took too long")  # type: ignore[attr-defined]
                raise failure_of(Verdict.TIMEOUT, "negotiation took too long") from None
            except DeliveryFailed:
                record = attempt.record
                if not targets or record is None or record.verdict not in _ANOTHER_MAY_DO_BETTER:
                    raise
            attempt = self._attempt(pair, kind, "trying its next server")

    async def _resolve(self, attempt: AttemptLog, domain: Domain, way: Way, only_questions: bool) -> Sequence[Target]:
        try:
            resolution = await self._resolver.resolve(
                domain, direct_tls=way.direct_tls, connect=way.connect, for_strangers=only_questions
            )
        except Unreachable as failure:
            attempt.step(Step.RESOLVE, "; ".join(failure.steps), ok=False)
            verdict = Verdict.NO_SUCH_DOMAIN if failure.permanent else Verdict.DNS_FAILED
            attempt.end(verdict, failure.sentence)
            raise failure_of(verdict, failure.sentence) from failure
        except CancelledError:
            attempt.end(Verdict.TIMEOUT, "name resolution took too long")
            raise failure_of(Verdict.TIMEOUT, "name resolution took too long") from None
        attempt.step(Step.RESOLVE, "; ".join(resolution.steps))
        return resolution.targets

    async def _dial(
        self, targets: Sequence[Target], session: OutboundSession, facts: Facts, only_questions: bool
    ) -> Dialled:
        steps: list[str] = []
        attempt = session.attempt
        attempt.doing("connecting to " + ", ".join(f"{target.host} port {target.port}" for target in targets))
        try:
            dialled = await dial(
                self._reactor,
                targets,
                lambda target: self._protocol(target, session, facts, only_questions),
                note=steps.append,
            )
        except DiallingFailed as failure:
            attempt.step(Step.CONNECT, "; ".join(failure.steps), ok=False)
            attempt.end(Verdict.NO_ANSWER if failure.silent else Verdict.UNREACHABLE, failure.sentence)
            verdict = Verdict.NO_SUCH_DOMAIN if failure.permanent else Verdict.UNREACHABLE
            raise failure_of(verdict, failure.sentence) from failure
        except CancelledError:
            attempt.step(Step.CONNECT, "; ".join(steps), ok=False)
            attempt.end(Verdict.NO_ANSWER, "; ".join(steps) or "connecting took too long")
            raise failure_of(Verdict.NO_ANSWER, "connecting took too long") from None
        return dialled

    def _protocol(self, target: Target, session: OutboundSession, facts: Facts, only_questions: bool) -> StreamProtocol:
        profile = self._profiles[1] if only_questions else self._profiles[0]
        direct = target.tls == "direct"
        return StreamProtocol(
            Stream(profile, facts, accept_answer, self._tools, self._budget),
            session,
            clock=self._reactor,
            judge=self._judge,
            tls=lambda facts: self._contexts.connecting(*facts.pair, direct=direct),
            timing=self._timing,
            direct_tls=direct,
            slumber=self._slumber,
        )

    def _attempt(self, pair: DomainPair, kind: Kind, doing: str) -> AttemptLog:
        return AttemptLog(
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
