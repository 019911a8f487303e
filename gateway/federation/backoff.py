"""When a domain may be tried again: truncated binary exponential backoff, randomised (RFC 6120 §3.3).

After a failure a domain has to wait. The first wait is between zero and `first` seconds, so that the servers of a
network that failed do not all come back at once. Each further wait has twice the bound of the one before, up to
`longest`, and is in the upper half below that bound. A connection, or any stanza or answer from that domain, ends the
wait and makes the next failure a first one again.

The wait is for a domain, or for a domain pair if only that pair failed. The failure is kept with the wait, so that
stanzas that arrive in the meantime can be answered with it.

Time and chance are arguments. The table is bounded: a domain that could have been tried again for longer than `longest`
but was not is forgotten. When the table is full, the oldest failure below the domain with the most failures is
forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from gateway.bounds.tables import Bounded, family
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.errors import GatewayError

Whom = str | DomainPair

MOST_WAITS = 10_000
"""The most unreachable domains and pairs that are remembered."""


@dataclass(frozen=True, kw_only=True)
class Waits:
    """The lengths of waits, in seconds."""

    first: float = 15
    longest: float = 900

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.longest:
            raise ValueError("the first wait must be positive and no longer than the longest")

    def after(self, failures: int, random: Random) -> float:
        """Return the wait after this many failures in a row."""
        doublings = min(failures - 1, 64)
        bound = min(self.first * 2**doublings, self.longest)
        return random.uniform(0 if failures == 1 else bound / 2, bound)


@dataclass(frozen=True, kw_only=True)
class Wait:
    """How often in a row it has failed, why the last time, and when it may be tried again."""

    failures: int
    retry_at: float
    cause: GatewayError | None = None


class Backoff:
    """The domains that have to wait, each until its time."""

    def __init__(self, waits: Waits, random: Random, most: int = MOST_WAITS) -> None:
        self._waits = waits
        self._random = random
        self._waits_for: Bounded[Whom, Wait] = Bounded(most)

    def __bool__(self) -> bool:
        """Return whether any domain may have to wait."""
        return len(self._waits_for) > 0

    def failed(self, domain: Whom, now: float, cause: GatewayError | None = None) -> float:
        """Record that the domain was not reached; return the time from which it may be tried again.

        If an attempt started before the wait and fails during it, the wait is not extended.
        """
        last = self._recall(domain, now)
        if last is not None and now < last.retry_at:
            return last.retry_at
        failures = last.failures + 1 if last else 1
        retry_at = now + self._waits.after(failures, self._random)
        self._keep(domain, Wait(failures=failures, retry_at=retry_at, cause=cause))
        return retry_at

    def reached(self, domain: Whom) -> bool:
        """End the wait for a domain that has opened a stream, or sent a stanza or an answer; return whether there was
        one.
        """
        return self._waits_for.pop(domain) is not None

    def forget(self, domain: str | None = None) -> None:
        """End the wait for a domain, in all its pairs, or for all domains, because an operator wants them tried."""
        for whom in [each for each in self._waits_for if domain in (None, target_of(each))]:
            self._waits_for.pop(whom)

    def wait(self, domain: Whom, now: float) -> Wait | None:
        """Return why the domain must not be tried now, and until when; None if it may be."""
        last = self._recall(domain, now)
        return last if last is not None and now < last.retry_at else None

    def retry_at(self, domain: Whom, now: float) -> float | None:
        """Return the time until which the domain must not be tried; None if it may be tried now."""
        wait = self.wait(domain, now)
        return wait.retry_at if wait is not None else None

    def waiting(self, now: float) -> dict[Whom, float]:
        """Return each domain or pair that must not be tried now, with the time from which it may be."""
        return {domain: wait.retry_at for domain, wait in self._waits_for.items() if now < wait.retry_at}

    def _recall(self, domain: Whom, now: float) -> Wait | None:
        last = self._waits_for.get(domain)
        if last is not None and now > last.retry_at + self._waits.longest:
            self._waits_for.pop(domain)
            return None
        return last

    def _keep(self, domain: Whom, wait: Wait) -> None:
        self._waits_for.put(domain, wait, family(target_of(domain)))


def target_of(whom: Whom) -> str:
    """Return the domain that is not tried."""
    return whom.target if isinstance(whom, DomainPair) else whom
