"""When a domain may be tried again: truncated binary exponential backoff, randomised (RFC 6120 §3.3).

A failure lets a domain wait. The first wait is anything between nothing and `first` seconds, so that the servers of a
network that failed do not all come back at once; each further one has twice the bound of the one before, up to
`longest`, and lies in the upper half below that bound. A connection, or any stanza or answer from that domain, ends the
waiting and makes the next failure a first one again.

What is waited for is a domain, or a domain pair where only that one failed. The failure is kept with the wait, so that
stanzas that come in the meantime can be answered with it.

Time and chance come in as arguments. The table is bounded: a domain that could be tried again for longer than `longest`
and was not, is forgotten. When the table is full, so is the oldest failure below the domain that has the most of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from gateway.bounds.tables import Bounded, family
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.errors import GatewayError

Whom = str | DomainPair

MOST_WAITS = 10_000
"""How many domains and pairs are remembered that could not be reached."""


@dataclass(frozen=True, kw_only=True)
class Waits:
    """How long waits are, in seconds."""

    first: float = 15
    longest: float = 900

    def __post_init__(self) -> None:
        if not 0 < self.first <= self.longest:
            raise ValueError("the first wait must be positive and no longer than the longest")

    def after(self, failures: int, random: Random) -> float:
        """The wait after this many failures in a row."""
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
    """The domains that are waited for, each until its time."""

    def __init__(self, waits: Waits, random: Random, most: int = MOST_WAITS) -> None:
        self._waits = waits
        self._random = random
        self._waits_for: Bounded[Whom, Wait] = Bounded(most)

    def __bool__(self) -> bool:
        """Whether anybody may have to be waited for."""
        return len(self._waits_for) > 0

    def failed(self, domain: Whom, now: float, cause: GatewayError | None = None) -> float:
        """The domain was tried and not reached; the answer is the time from which it may be tried again.

        A failure while the domain is waited for, of an attempt that had begun before, does not lengthen the wait.
        """
        last = self._recall(domain, now)
        if last is not None and now < last.retry_at:
            return last.retry_at
        failures = last.failures + 1 if last else 1
        retry_at = now + self._waits.after(failures, self._random)
        self._keep(domain, Wait(failures=failures, retry_at=retry_at, cause=cause))
        return retry_at

    def reached(self, domain: Whom) -> bool:
        """A stream to the domain stands, or a stanza or an answer came from it: no more waiting, if there was any."""
        return self._waits_for.pop(domain) is not None

    def forget(self, domain: str | None = None) -> None:
        """No more waiting for a domain, in whichever pair; left out: for nobody. An operator wants it tried."""
        for whom in [each for each in self._waits_for if domain in (None, target_of(each))]:
            self._waits_for.pop(whom)

    def wait(self, domain: Whom, now: float) -> Wait | None:
        """Why the domain must not be tried now, and until when; None when it may be."""
        last = self._recall(domain, now)
        return last if last is not None and now < last.retry_at else None

    def retry_at(self, domain: Whom, now: float) -> float | None:
        """The time until which the domain must not be tried; None when it may be tried now."""
        wait = self.wait(domain, now)
        return wait.retry_at if wait is not None else None

    def waiting(self, now: float) -> dict[Whom, float]:
        """Each domain or pair that must not be tried now, with the time from which it may be."""
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
    """The domain that is not tried."""
    return whom.target if isinstance(whom, DomainPair) else whom
