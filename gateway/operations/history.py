"""History: the last attempts with each domain, kept for whoever asks why federation with it works or does not.

It reads notices and is bounded in every direction: so many domains, so many attempts for each. What we tried ourselves
and what was established is kept apart from strangers' failures, so that nobody can push it out by knocking under many
names. The attempts under way are here too, as they are at the moment.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from gateway.notices.attempts.records import Attempt, AttemptUnderWay, Direction, FirstStanza, Kind
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import Notice

MOST_DOMAINS = 2000
MOST_STRANGERS = 500
MOST_ATTEMPTS = 10
MOST_UNDER_WAY = 5000
MOST_FAILURES = 100


class History:
    """A subscriber for notices that remembers attempts."""

    KINDS = (AttemptUnderWay, Attempt, FirstStanza)

    def __init__(
        self,
        *,
        domains: int = MOST_DOMAINS,
        strangers: int = MOST_STRANGERS,
        attempts: int = MOST_ATTEMPTS,
        failures: int = MOST_FAILURES,
    ) -> None:
        self._known = _Shelf(domains, attempts)
        self._strangers = _Shelf(strangers, attempts)
        self._under_way: OrderedDict[int, AttemptUnderWay] = OrderedDict()
        self._failures: deque[Attempt] = deque(maxlen=failures)

    def notice(self, notice: Notice) -> None:
        """Keep what concerns attempts."""
        match notice:
            case AttemptUnderWay():
                self._under_way[notice.number] = notice
                while len(self._under_way) > MOST_UNDER_WAY:
                    self._under_way.popitem(last=False)
            case Attempt():
                self._ended(notice)
            case FirstStanza():
                self._first_stanza(notice)

    def of(self, domain: str) -> list[Attempt]:
        """The attempts with a domain, or for a domain of ours, the latest first."""
        kept = chain(self._known.of(domain), self._strangers.of(domain))
        now = (attempt for attempt in self._attempts_now() if domain in domains_of(attempt))
        return _latest_first(chain(kept, now))

    def failures(self) -> list[Attempt]:
        """The last failures of all domains, the latest first."""
        return list(reversed(self._failures))

    def under_way(self) -> list[Attempt]:
        """The attempts that have not ended, the latest first."""
        return _latest_first(self._attempts_now())

    def find(self, number: int) -> Attempt | None:
        """The attempt with that number, if it is still remembered."""
        remembered = chain(self._attempts_now(), self._failures, self._known, self._strangers)
        return next((attempt for attempt in remembered if attempt.number == number), None)

    def latest(self) -> Iterator[tuple[str, Attempt]]:
        """Each domain with the last attempt that concerned it."""
        for shelf in (self._strangers, self._known):
            yield from shelf.latest()

    def _attempts_now(self) -> Iterator[Attempt]:
        return (under_way.attempt for under_way in self._under_way.values())

    def _ended(self, attempt: Attempt) -> None:
        self._under_way.pop(attempt.number, None)
        if attempt.verdict is Verdict.SAID_NOTHING:
            return
        shelf = self._strangers if _is_a_strangers(attempt) else self._known
        for domain in domains_of(attempt):
            shelf.put(domain, attempt)
        if attempt.verdict.is_failure:
            self._failures.append(attempt)

    def _first_stanza(self, first: FirstStanza) -> None:
        attempt = first.attempt
        whole = replace(attempt, steps=(*attempt.steps, first.record))
        for domain in domains_of(attempt):
            self._known.exchange(domain, whole)


def domains_of(attempt: Attempt) -> tuple[str, ...]:
    """The domains under which an attempt is looked for: the other side's; of components and clients, ours."""
    return (attempt.remote,) if attempt.kind in (Kind.SERVER, Kind.KEYS) else (attempt.local,)


def _is_a_strangers(attempt: Attempt) -> bool:
    """Whether somebody failed who may have used any name: a server, or a client or component whose header we refused.

    Clients and components fail later than that only at a domain of ours.
    """
    if attempt.direction is Direction.OUT or not attempt.verdict.is_failure:
        return False
    return attempt.kind is Kind.SERVER or attempt.verdict is Verdict.REFUSED_BY_US


class _Shelf:
    """The last attempts by domain, of the domains heard of last."""

    def __init__(self, domains: int, attempts: int) -> None:
        self._domains = domains
        self._attempts = attempts
        self._kept: OrderedDict[str, tuple[Attempt, ...]] = OrderedDict()

    def __iter__(self) -> Iterator[Attempt]:
        return chain.from_iterable(self._kept.values())

    def of(self, domain: str) -> Iterable[Attempt]:
        return self._kept.get(domain, ())

    def latest(self) -> Iterator[tuple[str, Attempt]]:
        return ((domain, kept[-1]) for domain, kept in self._kept.items())

    def put(self, domain: str, attempt: Attempt) -> None:
        kept = (*self._kept.get(domain, ()), attempt)
        self._kept[domain] = kept[-self._attempts :]
        self._kept.move_to_end(domain)
        if len(self._kept) > self._domains:
            self._kept.popitem(last=False)

    def exchange(self, domain: str, attempt: Attempt) -> None:
        if domain in self._kept:
            kept = self._kept[domain]
            self._kept[domain] = tuple(attempt if each.number == attempt.number else each for each in kept)


def _latest_first(attempts: Iterable[Attempt]) -> list[Attempt]:
    return sorted(attempts, key=lambda attempt: attempt.number, reverse=True)
