"""Fates: for each other domain, its open streams, and how the last one of each kind fared, and since when.

History keeps attempts with their steps, and forgets them when it has no room. A fate is small, so there is room for all
domains, and it is brought up to date when something happens: thousands of them can be counted at any time.

A domain that refuses one of ours may well accept the next, so each direction and each of our domains has a fate of its
own. A failure is not over because the other side accepts a stream again, if it had accepted the last one too and then
ended it: the new stream has to last for a while. A name that nobody has proved says nothing about its domain: such a
refusal is kept apart, and never makes a domain that is known look as if it failed.

A stream may carry further pairs of domains. Each of their domains has a fate, which the stream shares.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Set
from dataclasses import dataclass, field, replace

from gateway.bounds.tables import Bounded, family
from gateway.notices.attempts.proofs import Proofs
from gateway.notices.attempts.records import Attempt, Direction, FurtherPair, Kind, StreamEnded
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import Notice
from gateway.stream.records import record

MOST_DOMAINS = 10_000
MOST_STRANGERS = 1_000
MOST_FATES = 8
"""How many fates are kept for one domain: the latest, each of a direction and one of our domains."""
CALM_SECONDS = 60.0
"""How long a stream must last to count as working, after one that the other side ended with an error."""
_MOST_LETTERS = 300


@record(frozen=True, kw_only=True, slots=True)
class Fate:
    """The state of one direction: the verdict and its reason, `since` when, and how often in a row."""

    verdict: Verdict
    reason: str
    when: float
    since: float
    failures: int
    is_ending: bool = False  # an established stream ended in this way
    again: float | None = None  # when a stream was established after that

    def is_failing(self, now: float) -> bool:
        """Return whether this direction does not work."""
        return self.verdict.is_failure and (self.again is None or now - self.again < CALM_SECONDS)


@dataclass(frozen=True, slots=True)
class EstablishedStream:
    """An established stream with another domain, and what each side proved when it was established."""

    direction: Direction
    proofs: Proofs | None


FateKey = tuple[Direction, str]
"""A direction, and the domain of ours that is at this end."""


@dataclass(slots=True)
class DomainFate:
    """The fates of one domain, by direction and our domain; `streams` are open, by number of attempt."""

    fates: dict[FateKey, Fate] = field(default_factory=dict)  # the latest last
    is_known: bool = True  # it has proved itself, or we have tried to reach it
    streams: dict[int, EstablishedStream] = field(default_factory=dict)

    @property
    def has_failed(self) -> bool:
        """Return whether there is a failure, over or not."""
        return any(each.failures for each in self.fates.values())

    def failing(self, now: float) -> Fate | None:
        """Return the fate that fails, an outgoing one first, and of several the latest."""
        found = [
            (way is Direction.OUT, each.when, each) for (way, _), each in self.fates.items() if each.is_failing(now)
        ]
        return max(found, key=lambda each: each[:2])[2] if found else None

    def latest(self) -> Fate | None:
        """Return the fate that was decided last."""
        return max(self.fates.values(), key=lambda each: each.when, default=None)


class Fates:
    """Remembers, from notices, how streams with other domains ended."""

    KINDS = (Attempt, FurtherPair, StreamEnded)

    def __init__(
        self, time_of_day: Callable[[], float], domains: int = MOST_DOMAINS, strangers: int = MOST_STRANGERS
    ) -> None:
        self._time_of_day = time_of_day
        self._most = domains
        self._known: Bounded[str, DomainFate] = Bounded(domains)
        self._strangers: Bounded[str, DomainFate] = Bounded(strangers)
        self._failed: set[str] = set()
        self._open: set[str] = set()
        self._further: dict[int, set[tuple[str, FateKey]]] = {}  # domains on open streams of others, by attempt
        self._is_stale = False  # a domain may have been forgotten that is still in one of the sets

    def notice(self, notice: Notice) -> None:
        """Record how a stream between servers ended."""
        match notice:
            case Attempt() if notice.kind is Kind.SERVER and notice.remote:
                self._tried(notice)
            case FurtherPair() if notice.ok and notice.attempt.kind is Kind.SERVER:
                self._joined(notice)
            case StreamEnded() if notice.attempt.kind is Kind.SERVER:
                attempt = notice.attempt
                for domain, key in {(attempt.remote, _key(attempt)), *self._further.pop(attempt.number, ())}:
                    self._ended(domain, key, notice)

    def of(self, domain: str) -> DomainFate | None:
        """Return the fates of a domain."""
        return self._known.get(domain) or self._strangers.get(domain)

    @property
    def known(self) -> Collection[str]:
        """The domains that have proved themselves or that we have tried to reach."""
        return self._known

    @property
    def strangers(self) -> Collection[str]:
        """The names that nobody has proved."""
        return self._strangers

    @property
    def failed(self) -> Set[str]:
        """The known domains of which some direction has failed, and may do so still."""
        self._tidy_up()
        return self._failed

    @property
    def open(self) -> Set[str]:
        """The domains with open streams."""
        self._tidy_up()
        return self._open

    def _tidy_up(self) -> None:
        if self._is_stale:
            self._failed &= set(self._known)
            self._open &= set(self._known)
            self._is_stale = False

    def _tried(self, attempt: Attempt) -> None:
        verdict, domain = attempt.verdict, attempt.remote
        if verdict in (Verdict.SAID_NOTHING, Verdict.QUESTIONS_ANSWERED):
            return
        is_proved = attempt.direction is Direction.OUT or verdict is Verdict.ESTABLISHED
        if not is_proved:
            if domain not in self._known:
                fate = self._next(None, verdict, attempt.what_happened)
                fates = {_key(attempt): fate}
                self._strangers.put(domain, DomainFate(fates, is_known=False), attempt.cause)
            return
        if verdict is Verdict.ESTABLISHED:
            self._established(domain, _key(attempt), attempt, attempt.proofs)
        else:
            known, key = self._known.get(domain) or DomainFate(), _key(attempt)
            self._put(domain, key, known, self._next(known.fates.get(key), verdict, attempt.what_happened))

    def _joined(self, joined: FurtherPair) -> None:
        """Record that a domain uses a stream that others have opened."""
        domain, ours = joined.ends
        key = (joined.attempt.direction, ours)
        self._further.setdefault(joined.attempt.number, set()).add((domain, key))
        self._established(domain, key, joined.attempt, joined.proofs)

    def _established(self, domain: str, key: FateKey, attempt: Attempt, proofs: Proofs | None) -> None:
        known = self._known.get(domain) or DomainFate()
        before = known.fates.get(key)
        known.streams.setdefault(attempt.number, EstablishedStream(attempt.direction, proofs))
        if before is not None and before.is_ending and before.verdict.is_failure:
            self._put(domain, key, known, replace(before, again=self._time_of_day()))
        else:
            self._put(domain, key, known, self._next(before, Verdict.ESTABLISHED, attempt.what_happened))

    def _ended(self, domain: str, key: FateKey, end: StreamEnded) -> None:
        known = self._known.get(domain) or DomainFate()
        known.streams.pop(end.attempt.number, None)
        before = known.fates.get(key)
        if end.verdict.is_failure:
            self._put(domain, key, known, replace(self._next(before, end.verdict, end.reason), is_ending=True))
        elif before is None or not before.is_failing(self._time_of_day()):
            self._put(domain, key, known, self._next(before, end.verdict, end.reason))
        else:
            self._put(domain, key, known, before)

    def _next(self, before: Fate | None, verdict: Verdict, reason: str) -> Fate:
        now = self._time_of_day()
        goes_on = before is not None and before.is_failing(now) == verdict.is_failure
        since = before.since if before is not None and goes_on else now
        failures = (before.failures if before is not None and goes_on else 0) + 1 if verdict.is_failure else 0
        return Fate(verdict=verdict, reason=reason[:_MOST_LETTERS], when=now, since=since, failures=failures)

    def _put(self, domain: str, key: FateKey, known: DomainFate, fate: Fate) -> None:
        """Keep a domain, with this as its latest fate."""
        known.fates.pop(key, None)
        known.fates[key] = fate
        if len(known.fates) > MOST_FATES:
            known.fates = dict([*known.fates.items()][-MOST_FATES:])
        if self._known.touch(domain) is None:
            self._strangers.pop(domain)
            self._is_stale = self._is_stale or len(self._known) >= self._most
            self._known.put(domain, known, family(domain))
        (self._failed.add if known.has_failed else self._failed.discard)(domain)
        (self._open.add if known.streams else self._open.discard)(domain)


def _key(attempt: Attempt) -> FateKey:
    return attempt.direction, attempt.local
