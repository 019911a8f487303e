"""Peers: all other domains with any activity, in order of trouble; all are counted, some are shown.

What sets of domains there are is known at any time; a record is made only for the domains that somebody looks at. So
three thousand of them cost little more than thirty, and no connection is touched for that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from heapq import nsmallest
from itertools import chain, islice

from gateway.federation.backoff import Backoff, target_of
from gateway.federation.route import RemoteRoute
from gateway.notices.attempts.proofs import Proofs, Proven
from gateway.notices.attempts.records import Direction
from gateway.operations.ages import Ages
from gateway.operations.fates import DomainFate, Fate, Fates
from gateway.operations.minutes import Minutes
from gateway.operations.status_records import PeerStatus
from gateway.stream.facts import Means
from gateway.xmpp.addresses import DomainPair

DAY_SECONDS = 86400

# From nothing to the strongest. With several streams, a domain's proof is the weakest of them.
_STRENGTH = (Proven.NOTHING, Proven.ADDRESS, Proven.SHOWN, Means.DIALBACK)


class PeerState(StrEnum):
    """The states of federation with a domain, from the worst to the least interesting."""

    FAILING = "failing"
    OPENING = "opening"
    CONNECTED = "connected"
    QUIET = "quiet"
    TURNED_AWAY = "turned-away"  # nobody under that name has proved anything


_TROUBLE = (PeerState.FAILING, PeerState.OPENING)
_NEW = DomainFate()


class PeerOrder(StrEnum):
    """The order of a list of domains; the names are part of the page's addresses."""

    TROUBLE = "trouble"
    NAME = "name"
    WAITING = "waiting"
    TRAFFIC = "traffic"


@dataclass(frozen=True, kw_only=True)
class PeerSources:
    """The parts of the running gateway that are read. The mappings are the gateway's own, which it changes."""

    fates: Fates
    minutes: Minutes
    backoff: Backoff
    remote_routes: Mapping[DomainPair, RemoteRoute]
    ages: Ages

    def waiting(self) -> dict[str, int]:
        """Return how many stanzas wait for each domain for which any do."""
        waiting: dict[str, int] = {}
        for pair, route in self.remote_routes.items():
            if queued := route.queued:
                waiting[pair.target] = waiting.get(pair.target, 0) + queued
        return waiting


class OtherDomains:
    """The other domains at one moment."""

    def __init__(self, sources: PeerSources, waiting: Mapping[str, int], seconds: float, time_of_day: float) -> None:
        """`waiting` has the stanzas for each domain; `seconds` is the time by the clock of timers."""
        fates = sources.fates
        self._sources = sources
        self._fates = fates
        self._now = time_of_day
        self._seconds = seconds
        self._queued = waiting
        self._waits: dict[str, float] | None = None
        self._failing = {name for name in fates.failed if self._of(name).failing(time_of_day) is not None}
        self._opening = waiting.keys() - self._failing - fates.open
        new = sum(name not in fates.known for name in self._opening)
        connected = len(fates.open) - len(fates.open & self._failing)
        self._length = len(fates.known) + new + sum(name not in waiting for name in fates.strangers)
        found = {
            PeerState.FAILING: len(self._failing),
            PeerState.OPENING: len(self._opening),
            PeerState.CONNECTED: connected,
            PeerState.QUIET: len(fates.known) + new - len(self._failing) - len(self._opening) - connected,
            PeerState.TURNED_AWAY: self._length - len(fates.known) - new,
        }
        self.counts: Counter[str] = Counter({str(state): count for state, count in found.items() if count})

    def __len__(self) -> int:
        return self._length

    @property
    def waiting(self) -> int:
        """The number of waiting stanzas, for all domains."""
        return sum(self._queued.values())

    def _of(self, name: str) -> DomainFate:
        return self._fates.of(name) or _NEW

    def _names(self, state: str = "") -> Collection[str]:
        """Return all domains, or those in one state."""
        fates = self._fates
        match state:
            case "":
                return {*fates.known, *fates.strangers, *self._opening}
            case PeerState.FAILING:
                return self._failing
            case PeerState.OPENING:
                return self._opening
            case PeerState.CONNECTED:
                return fates.open - self._failing
            case PeerState.TURNED_AWAY:
                return set(fates.strangers) - self._opening
        return set(fates.known) - fates.open - self._failing - self._opening

    def records(self) -> Iterator[PeerStatus]:
        """Yield all of them by name."""
        return map(self.record, sorted(self._names()))

    def choose(
        self, start: int, count: int, *, order: PeerOrder = PeerOrder.TROUBLE, search: str = "", state: str = ""
    ) -> tuple[int, list[PeerStatus]]:
        """Return how many domains fit, and the records of some of them in that order."""
        fitting = self._names(state)
        if search:
            fitting = {name for name in fitting if search in name}
        chosen = islice(self._sorted(fitting, order, start + count), start, start + count)
        return len(fitting), [self.record(name) for name in chosen]

    def telling(self, worst: int, most: int) -> list[PeerStatus]:
        """Return the records of the worst domains, and of the busiest of all others, `most` together."""
        in_trouble = self._failing | self._queued.keys()
        first = list(islice(self._sorted(in_trouble, PeerOrder.TROUBLE, worst), worst))
        calm = (name for name in self._sources.minutes.busiest() if name not in in_trouble)
        others = chain(calm, (name for name in sorted(self._fates.open - in_trouble)))
        busiest = islice(dict.fromkeys(islice(others, 2 * most)), most - len(first))
        return [self.record(name) for name in (*first, *busiest) if name in self]

    def __contains__(self, name: object) -> bool:
        return name in self._fates.known or name in self._fates.strangers or name in self._opening

    def _sorted(self, names: Collection[str], order: PeerOrder, count: int) -> Iterator[str]:
        """Yield the first names in an order; nothing is compared that is not needed for these."""
        match order:
            case PeerOrder.NAME:
                return iter(nsmallest(count, names))
            case PeerOrder.TRAFFIC:
                return self._by_traffic(names, count)
            case PeerOrder.WAITING:
                waiting = sorted(self._queued.keys() & set(names), key=lambda name: (-self._queued[name], name))
                return chain(waiting, self._by_trouble(set(names) - self._queued.keys(), count))
        return self._by_trouble(names, count)

    def _by_trouble(self, names: Collection[str], count: int) -> Iterator[str]:
        found = set(names)
        for state in PeerState:
            some = found.intersection(self._names(state))
            if state in _TROUBLE:
                yield from nsmallest(count, some, key=lambda name: (-self._queued.get(name, 0), name))
            elif state is PeerState.CONNECTED:
                yield from self._by_traffic(some, count)
            else:
                yield from nsmallest(count, some)

    def _by_traffic(self, names: Collection[str], count: int) -> Iterator[str]:
        traffic = self._sources.minutes.traffic()
        yield from (name for name in self._sources.minutes.busiest() if name in names)
        yield from nsmallest(count, (name for name in names if name not in traffic))

    def find(self, name: str) -> PeerStatus | None:
        """Return one domain, if there is anything with it."""
        return self.record(name) if name in self else None

    def traffic_with(self, name: str) -> int:
        """Return how many bytes have passed with a domain in the last hour."""
        return self._sources.minutes.traffic().get(name, 0)

    def record(self, name: str) -> PeerStatus:
        """Return one domain of those that there are."""
        fate = self._of(name)
        failing = fate.failing(self._now)
        told = failing or fate.latest()
        streams = fate.streams.values()
        proofs = weakest(each.proofs for each in streams if each.proofs is not None)
        if self._waits is None:
            self._waits = waits_by_domain(self._sources.backoff, self._seconds)
        return PeerStatus(
            domain=name,
            state=self._state(name, fate),
            since=told.since if told is not None else None,
            streams_in=sum(each.direction is Direction.IN for each in streams),
            streams_out=sum(each.direction is Direction.OUT for each in streams),
            queued=self._queued.get(name, 0),
            oldest=self._age(name),
            retry_in=self._waits.get(name),
            verdict=str(told.verdict) if told is not None else "",
            told=_told(told),
            when=told.when if told is not None else None,
            failures=told.failures if told is not None else 0,
            they_to_us=proofs.they_to_us,
            we_to_them=proofs.we_to_them,
            certificate_fault=proofs.certificate_fault,
            certificate_days=None if proofs.until is None else round((proofs.until - self._now) / DAY_SECONDS, 1),
            tls=proofs.tls if streams else "",
            hour=self._sources.minutes.hour(name),
        )

    def _age(self, name: str) -> float | None:
        """Return for how many seconds the oldest stanza has waited in the outbox, if any does."""
        since = self._sources.ages.oldest.get(name) if name in self._queued else None
        return max(0.0, round(self._now - since, 1)) if since is not None else None

    def _state(self, name: str, fate: DomainFate) -> PeerState:
        if name in self._failing:
            return PeerState.FAILING
        if fate.streams:
            return PeerState.CONNECTED
        if name in self._opening:
            return PeerState.OPENING
        return PeerState.QUIET if fate.is_known else PeerState.TURNED_AWAY


def weakest(proofs: Iterable[Proofs]) -> Proofs:
    """Return the weakest proof of each side among those of several streams."""
    found = list(proofs)
    if not found:
        return Proofs(Proven.NOTHING, Proven.NOTHING)
    to_them = [each for each in found if each.we_to_them != Proven.SHOWN] or found  # where we had to prove something
    versions = {each.tls for each in found}
    return Proofs(
        min((each.they_to_us for each in found), key=_strength),
        min((each.we_to_them for each in to_them), key=_strength),
        next((each.certificate_fault for each in found if each.certificate_fault), ""),
        "none" if "none" in versions else min(versions),
        min((each.until for each in found if each.until is not None), default=None),
    )


def _strength(proof: str) -> int:
    return _STRENGTH.index(proof) if proof in _STRENGTH else len(_STRENGTH)


def waits_by_domain(backoff: Backoff, now: float) -> dict[str, float]:
    """Return for each domain how long it will not be tried, in seconds; of several pairs, the longest counts."""
    waiting: dict[str, float] = {}
    for whom, retry_at in backoff.waiting(now).items():
        target = target_of(whom)
        waiting[target] = max(round(retry_at - now, 1), waiting.get(target, 0))
    return waiting


def _told(fate: Fate | None) -> str:
    if fate is None:
        return ""
    return f"a stream was accepted, then: {fate.reason}" if fate.is_ending and fate.verdict.is_failure else fate.reason
