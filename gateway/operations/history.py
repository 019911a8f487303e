"""History: the last attempts with each domain, which show why federation with it works or does not.

It reads notices and is bounded in every direction: domains, attempts for each domain, bytes for all. One table holds
our own attempts and those that were proved. Another holds attempts under names that anybody can make up, so that nobody
can push known domains out by connecting under many names. When a table is full, the party that takes the most room
loses its oldest entry: of strangers an IP address, of known domains one with all its subdomains. Attempts under way are
included, in their present state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from sys import getsizeof
from typing import NamedTuple

from gateway.bounds.tables import Bounded, family
from gateway.notices.attempts.records import (
    Attempt,
    AttemptUnderWay,
    Direction,
    FirstStanza,
    Kind,
    StepRecord,
    StreamEnded,
)
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import Notice
from gateway.stream.records import replace

MOST_DOMAINS = 2000
MOST_STRANGERS = 500
MOST_ATTEMPTS = 10
MOST_UNDER_WAY = 5000
MOST_FAILURES = 100
MOST_BYTES = 33_554_432


class History:
    """The remembered attempts, filled from notices."""

    KINDS = (AttemptUnderWay, Attempt, FirstStanza, StreamEnded)

    def __init__(
        self,
        *,
        domains: int = MOST_DOMAINS,
        strangers: int = MOST_STRANGERS,
        attempts: int = MOST_ATTEMPTS,
        failures: int = MOST_FAILURES,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """Strangers get a quarter of `most_bytes`, the list of failures an eighth, and known domains the rest."""
        self._strangers = _Shelf(strangers, attempts, most_bytes // 4)
        self._failures: Bounded[int, Attempt] = Bounded(failures, most_bytes // 8)
        self._known = _Shelf(domains, attempts, most_bytes * 5 // 8)
        self._under_way: Bounded[int, AttemptUnderWay] = Bounded(MOST_UNDER_WAY)

    def notice(self, notice: Notice) -> None:
        """Keep the notices about attempts."""
        match notice:
            case AttemptUnderWay():
                if notice.number not in self._under_way:  # it tells how far the attempt has come whenever it is read
                    self._under_way.put(notice.number, notice)
            case Attempt():
                self._ended(notice)
            case FirstStanza():
                self._first_stanza(notice)
            case StreamEnded():
                self._stream_ended(notice)

    def of(self, domain: str) -> list[Attempt]:
        """Return the attempts with another domain, or for one of our own, the latest first."""
        kept = chain(self._known.of(domain), self._strangers.of(domain))
        now = (attempt for attempt in self._attempts_now() if domain in domains_of(attempt))
        return _latest_first(chain(kept, now))

    def failures(self) -> list[Attempt]:
        """Return the last failures of all domains, the latest first."""
        return list(self._failures.values())[::-1]

    def under_way(self) -> list[Attempt]:
        """Return the attempts that have not ended, the latest first."""
        return _latest_first(self._attempts_now())

    def find(self, number: int) -> Attempt | None:
        """Return the attempt with that number, if it is still remembered."""
        remembered = chain(self._attempts_now(), self._failures.values(), self._known, self._strangers)
        return next((attempt for attempt in remembered if attempt.number == number), None)

    def _attempts_now(self) -> Iterator[Attempt]:
        return (under_way.attempt for under_way in self._under_way.values())

    def _ended(self, attempt: Attempt) -> None:
        self._under_way.pop(attempt.number)
        if attempt.verdict is Verdict.SAID_NOTHING:
            return
        is_strangers = _is_a_strangers(attempt)
        shelf = self._strangers if is_strangers else self._known
        for domain in domains_of(attempt):
            shelf.put(domain, attempt, attempt.cause if is_strangers else family(domain))
        if attempt.verdict.is_failure:
            self._failures.put(attempt.number, attempt, attempt.cause, _size(attempt))

    def _first_stanza(self, first: FirstStanza) -> None:
        attempt, record = first.attempt, first.record
        for domain in domains_of(attempt):
            self._known.amend(
                domain,
                attempt.number,
                lambda kept: replace(kept, steps=(*kept.steps, record)),
                more=_size_of_step(record),
            )

    def _stream_ended(self, end: StreamEnded) -> None:
        attempt, ending = end.attempt, end.ending
        for domain in domains_of(attempt):
            self._known.amend(
                domain, attempt.number, lambda kept: replace(kept, ended=ending), more=getsizeof(ending.reason)
            )
        if end.verdict.is_failure:
            attempt = replace(attempt, ended=ending)
            self._failures.put(attempt.number, attempt, attempt.cause, _size(attempt))


def domains_of(attempt: Attempt) -> tuple[str, ...]:
    """Return the domains under which an attempt is kept: the other side's, or for components and clients, ours."""
    return (attempt.remote,) if attempt.kind in (Kind.SERVER, Kind.KEYS) else (attempt.local,)


def _is_a_strangers(attempt: Attempt) -> bool:
    """Return whether anybody could have made up the name under which this attempt would be kept.

    This is true for a server that has proved nothing, whether it was refused or only asked about keys; for the servers
    that others make us ask; and for a client or component that was refused because of its header. After that, clients
    and components can fail only at one of our domains.
    """
    if attempt.kind is Kind.KEYS:
        return True
    if attempt.direction is Direction.OUT:
        return False
    if attempt.kind is Kind.SERVER:
        return attempt.verdict is not Verdict.ESTABLISHED
    return attempt.verdict is Verdict.REFUSED_BY_US


class _Sized(NamedTuple):
    """An attempt and its approximate size in bytes, which is measured once."""

    attempt: Attempt
    size: int


class _Shelf:
    """The last attempts of each domain, within a number of domains, attempts and bytes."""

    def __init__(self, domains: int, attempts: int, most_bytes: int) -> None:
        self._attempts = attempts
        self._kept: Bounded[str, tuple[str, tuple[_Sized, ...]]] = Bounded(domains, most_bytes)

    def __iter__(self) -> Iterator[Attempt]:
        return (sized.attempt for _, kept in self._kept.values() for sized in kept)

    def of(self, domain: str) -> Iterable[Attempt]:
        return (sized.attempt for sized in self._of(domain))

    def _of(self, domain: str) -> tuple[_Sized, ...]:
        found = self._kept.get(domain)
        return found[1] if found is not None else ()

    def put(self, domain: str, attempt: Attempt, cause: str) -> None:
        self._keep(domain, cause, (*self._of(domain), _Sized(attempt, _size(attempt)))[-self._attempts :])

    def amend(self, domain: str, number: int, change: Callable[[Attempt], Attempt], *, more: int) -> None:
        """Change an attempt; this makes it larger by `more` bytes."""
        cause, kept = self._kept.get(domain) or ("", ())
        for place, old in enumerate(kept):
            if old.attempt.number == number:
                new = _Sized(change(old.attempt), old.size + more)
                self._keep(domain, cause, (*kept[:place], new, *kept[place + 1 :]))
                return

    def _keep(self, domain: str, cause: str, attempts: tuple[_Sized, ...]) -> None:
        self._kept.put(domain, (cause, attempts), cause, sum([sized.size for sized in attempts]))


def _size(attempt: Attempt) -> int:
    """Return the approximate size of an attempt in bytes."""
    texts = [attempt.local, attempt.remote, attempt.address, attempt.reason]
    if attempt.ended is not None:
        texts.append(attempt.ended.reason)
    for step in attempt.steps:
        texts += (step.told, step.offered, step.required)
    return 800 + 350 * len(attempt.steps) + getsizeof("".join(texts))


def _size_of_step(step: StepRecord) -> int:
    return 350 + getsizeof(step.told + step.offered + step.required)


def _latest_first(attempts: Iterable[Attempt]) -> list[Attempt]:
    return sorted(attempts, key=lambda attempt: attempt.number, reverse=True)
