"""The records that an outbox takes and gives, and how much it may hold.

Every kept stanza has a number. Numbers grow within a pair in the order in which its stanzas were put, and none is used
for two stanzas while the process runs, so a number that is settled late never means a newer stanza.

Times are seconds since 1970: they are compared over restarts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.xmpp.addresses import Domain, DomainPair

AGES = (300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 76_800)
"""The upper bounds of the columns of `DomainSummary.ages`, in seconds; one more column is for what is older."""


@dataclass(frozen=True, slots=True)
class KeptStanza:
    """One stanza as it was put."""

    number: int
    raw: bytes = field(repr=False)
    accepted: float
    expires: float


@dataclass(frozen=True, kw_only=True)
class ExpiredStanza:
    """A stanza whose time is over: it is kept until it is removed, so that its end is told first."""

    pair: DomainPair
    number: int
    raw: bytes = field(repr=False)
    accepted: float


@dataclass(frozen=True, kw_only=True)
class AsideStanza:
    """A stanza that was taken out of its queue for the operator to look at; its sender has had an error."""

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
    """What is kept of one pair."""

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
    definite_since: float | None = None  # when a verdict that no waiting mends was first given, and not revoked since


@dataclass(frozen=True, kw_only=True)
class DomainState:
    """What is known of one domain that stanzas wait for."""

    domain: Domain
    pairs: tuple[PairState, ...] = ()
    is_held: bool = False  # by the operator: nothing is sent until it is released
    aside: int = 0  # stanzas that were taken out of the queue
    failing: Failing | None = None

    @property
    def stanzas(self) -> int:
        """Return how many stanzas wait."""
        return sum(pair.stanzas for pair in self.pairs)

    @property
    def bytes(self) -> int:
        """Return how much room they take."""
        return sum(pair.bytes for pair in self.pairs)

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
    ages: tuple[int, ...]  # one number for each column of AGES, and one for what is older
    is_held: bool = False


@dataclass(frozen=True, kw_only=True)
class OutboxLimits:
    """How much an outbox may hold.

    A sending domain may have as much as is still free: one alone fills half of the outbox, two a third each. So
    whatever one of them does, there is room for the next.
    """

    bytes: int = 1 << 30
    pair_stanzas: int = 100_000
    pairs: int = 100_000
    aside: int = 100  # stanzas set aside for the operator; beyond it the oldest is forgotten
    withheld: int = 10_000  # stanzas held back by filters; beyond it none is taken
    withheld_each: int = 1000  # of them, those that come from one domain
    page_bytes: int = 1 << 20
