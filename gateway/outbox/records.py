"""The records of an outbox, and its limits.

Every kept stanza has a number. Numbers increase within a pair in the order in which its stanzas were put, and none is
used twice while the process runs, so a number that is settled late never means a newer stanza.

Times are seconds since 1970, because they are compared across restarts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.xmpp.addresses import Domain, DomainPair

AGES = (300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 76_800)
"""The upper bounds of the columns of `DomainSummary.ages`, in seconds; one more column is for older stanzas."""


class KeptStanza(NamedTuple):
    """One stanza as it was put."""

    number: int
    raw: bytes
    accepted: float
    expires: float

    def __repr__(self) -> str:
        return f"KeptStanza(number={self.number}, accepted={self.accepted}, expires={self.expires})"


@dataclass(frozen=True, kw_only=True)
class ExpiredStanza:
    """An expired stanza: it is kept until it is removed, so that its sender is answered first."""

    pair: DomainPair
    number: int
    raw: bytes = field(repr=False)
    accepted: float


@dataclass(frozen=True, kw_only=True)
class AsideStanza:
    """A stanza that was taken out of its queue for the operator to look at; its sender got an error."""

    number: int
    pair: DomainPair
    raw: bytes = field(repr=False)
    accepted: float
    reason: str


@dataclass(frozen=True, kw_only=True)
class WithheldStanza:
    """A stanza that a filter has held back: it is for the operator to release or to drop, until it expires."""

    number: int
    pair: DomainPair
    raw: bytes = field(repr=False)
    accepted: float
    expires: float
    rule: str


@dataclass(frozen=True, kw_only=True)
class PairState:
    """The kept stanzas of one pair, counted."""

    pair: DomainPair
    stanzas: int
    bytes: int
    oldest: float  # when its oldest stanza was accepted


@dataclass(frozen=True, kw_only=True)
class Failing:
    """What is remembered of a domain that cannot be reached."""

    failures: int
    since: float
    verdict: str
    reason: str
    definite_since: float | None = None  # when a definite verdict was first given, and not revoked since


@dataclass(frozen=True, kw_only=True)
class DomainState:
    """What is known about one domain that stanzas wait for."""

    domain: Domain
    pairs: tuple[PairState, ...] = ()
    is_held: bool = False  # by the operator: nothing is sent until it is released
    aside: int = 0  # the number of stanzas taken out of the queue
    failing: Failing | None = None

    @property
    def stanzas(self) -> int:
        """Return how many stanzas wait."""
        return sum(pair.stanzas for pair in self.pairs)

    @property
    def oldest(self) -> float | None:
        """Return when the oldest of them was accepted."""
        return min((pair.oldest for pair in self.pairs), default=None)


@dataclass(frozen=True, kw_only=True)
class DomainSummary:
    """One line of `queues`: how many stanzas wait for a domain, by age."""

    domain: Domain
    stanzas: int
    bytes: int
    oldest: float
    ages: tuple[int, ...]  # one number for each column of AGES, and one for older stanzas
    is_held: bool = False


@dataclass(frozen=True, kw_only=True)
class OutboxLimits:
    """The limits of an outbox.

    A sending domain may use as much as is still free: one alone can fill half of the outbox, two a third each. So there
    is always room for the next one.
    """

    bytes: int = 1 << 30
    pair_stanzas: int = 100_000
    pairs: int = 100_000
    aside: int = 100  # stanzas set aside for the operator; beyond it the oldest is forgotten
    withheld: int = 10_000  # stanzas held back by filters; beyond it none is taken
    withheld_each: int = 1000  # of them, those that come from one domain
    page_bytes: int = 1 << 20
