"""Peers: every other domain with which there is something, in order of trouble; all are counted, some are shown.

One pass over connections, routes and fates sorts all domains into states. A record is made only for the domains that
somebody looks at, so three thousand of them cost little more than thirty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from heapq import nsmallest
from typing import Any

from gateway.federation.backoff import Backoff, target_of
from gateway.federation.route import RemoteRoute
from gateway.notices.attempts.proofs import Proofs, Proven, proofs_on
from gateway.notices.attempts.records import Direction, Kind
from gateway.operations.fates import Fate, Fates
from gateway.operations.minutes import Minutes
from gateway.operations.status_records import PeerStatus
from gateway.stream.facts import Facts, Means, Role
from gateway.xmpp.addresses import DomainPair

DAY_SECONDS = 86400

# From nothing to the most. Of several streams with a domain, the weakest proof is what its proof is worth.
_STRENGTH = (Proven.NOTHING, Proven.ADDRESS, Proven.SHOWN, Means.DIALBACK)


class PeerState(StrEnum):
    """How federation with a domain is, from the worst to the least interesting."""

    FAILING = "failing"
    OPENING = "opening"
    CONNECTED = "connected"
    QUIET = "quiet"
    TURNED_AWAY = "turned-away"  # nobody under that name has proved anything

    @property
    def rank(self) -> int:
        """Place in the order of trouble."""
        return _RANKS[self]


_RANKS = {state: rank for rank, state in enumerate(PeerState)}


class PeerOrder(StrEnum):
    """What a list of domains is sorted by; the names are part of the page's addresses."""

    TROUBLE = "trouble"
    NAME = "name"
    WAITING = "waiting"
    TRAFFIC = "traffic"


@dataclass(frozen=True, kw_only=True)
class PeerSources:
    """What is read of the running gateway. The mappings are those that the gateway itself changes."""

    fates: Fates
    minutes: Minutes
    backoff: Backoff
    remote_routes: Mapping[DomainPair, RemoteRoute]


class OtherDomains:
    """The other domains at one moment."""

    def __init__(self, sources: PeerSources, connections: Iterable[Any], seconds: float, time_of_day: float) -> None:
        """`seconds` is the time by the clock of timers."""
        self._sources = sources
        self._now = time_of_day
        self._waits = waits_by_domain(sources.backoff, seconds)
        self._connections = _by_domain(connections)
        self._queued: Counter[str] = Counter()
        for pair, route in sources.remote_routes.items():
            self._queued[pair.target] += route.queued
        self._fates = dict(sources.fates.items())
        self._traffic = sources.minutes.traffic()
        names = {*self._fates, *self._queued, *self._connections}
        self._states = {name: self._state(name) for name in names}
        self.counts: Counter[str] = Counter(self._states.values())

    def __len__(self) -> int:
        return len(self._states)

    @property
    def waiting(self) -> int:
        """How many stanzas wait, for all domains."""
        return sum(self._queued.values())

    def records(self) -> Iterator[PeerStatus]:
        """Yield all of them by name."""
        return map(self.record, sorted(self._states))

    def undelivered(self) -> dict[str, int]:
        """Return how many stanzas wait for each domain that is failing, the most first."""
        found = {name: self._queued[name] for name, state in self._states.items() if state is PeerState.FAILING}
        return dict(sorted(((name, count) for name, count in found.items() if count), key=lambda each: -each[1]))

    def choose(
        self, start: int, count: int, *, order: PeerOrder = PeerOrder.TROUBLE, search: str = "", state: str = ""
    ) -> tuple[int, list[PeerStatus]]:
        """Return how many domains fit, and the records of some of them in that order."""
        names: Iterable[str] = self._states
        if search:
            names = [name for name in names if search in name]
        if state:
            names = [name for name in names if self._states[name] == state]
        fitting = list(names)
        chosen = nsmallest(start + count, fitting, key=self._keys(order))[start:]
        return len(fitting), [self.record(name) for name in chosen]

    def _keys(self, order: PeerOrder) -> Callable[[str], tuple[Any, ...]]:
        queued, traffic, states = self._queued, self._traffic, self._states
        match order:
            case PeerOrder.NAME:
                return lambda name: (name,)
            case PeerOrder.WAITING:
                return lambda name: (-queued[name], _RANKS[states[name]], name)
            case PeerOrder.TRAFFIC:
                return lambda name: (-traffic.get(name, 0), _RANKS[states[name]], name)
        return lambda name: (_RANKS[states[name]], -queued[name], -traffic.get(name, 0), name)

    def find(self, name: str) -> PeerStatus | None:
        """Return one domain, if there is anything with it."""
        return self.record(name) if name in self._states else None

    def record(self, name: str) -> PeerStatus:
        """Return one domain of those that there are."""
        state, fate = self._states[name], self._fates.get(name)
        failing = fate.failing(self._now) if fate is not None else None
        told = failing or (fate.latest() if fate is not None else None)
        streams = self._connections.get(name, [])
        proofs = weakest(proofs_on(each.stream.facts) for each in streams if each.stream.is_established)
        directions = Counter(_direction(each.stream.facts) for each in streams)
        return PeerStatus(
            domain=name,
            state=state,
            since=told.since if told is not None else None,
            streams_in=directions[Direction.IN],
            streams_out=directions[Direction.OUT],
            queued=self._queued[name],
            retry_in=self._waits.get(name),
            verdict=str(told.verdict) if told is not None else "",
            told=_told(told),
            when=told.when if told is not None else None,
            failures=told.failures if told is not None else 0,
            they_to_us=proofs.they_to_us,
            we_to_them=proofs.we_to_them,
            certificate_fault=proofs.certificate_fault,
            certificate_days=self._days(streams),
            tls=_weakest_tls(streams),
            hour=self._sources.minutes.hour(name),
        )

    def _state(self, name: str) -> PeerState:
        fate = self._fates.get(name)
        failing = fate is not None and fate.failing(self._now) is not None
        if failing and fate is not None and fate.is_known:
            return PeerState.FAILING
        connections = self._connections.get(name)
        if connections and any(each.stream.is_established for each in connections):
            return PeerState.CONNECTED
        if connections or self._queued[name]:
            return PeerState.OPENING
        return PeerState.TURNED_AWAY if failing else PeerState.QUIET

    def _days(self, streams: Iterable[Any]) -> float | None:
        """Return how many days the certificate has left that ends first of those that were shown."""
        shown = (each.stream.facts.certificate for each in streams)
        ends = [each.not_after for each in shown if each is not None and each.not_after is not None]
        if not ends:
            return None
        left: float = (min(ends) - datetime.fromtimestamp(self._now, UTC)).total_seconds()
        return round(left / DAY_SECONDS, 1)


def weakest(proofs: Iterable[Proofs]) -> Proofs:
    """Return the weakest proof of each side among those of several streams."""
    found = list(proofs)
    if not found:
        return Proofs(Proven.NOTHING, Proven.NOTHING)
    to_them = [each for each in found if each.we_to_them != Proven.SHOWN] or found  # where we had to prove something
    return Proofs(
        min((each.they_to_us for each in found), key=_strength),
        min((each.we_to_them for each in to_them), key=_strength),
        next((each.certificate_fault for each in found if each.certificate_fault), ""),
    )


def _strength(proof: str) -> int:
    return _STRENGTH.index(proof) if proof in _STRENGTH else len(_STRENGTH)


def _by_domain(connections: Iterable[Any]) -> dict[str, list[Any]]:
    """Return the streams with other servers by the domain that the other side is."""
    found: dict[str, list[Any]] = {}
    for connection in connections:
        facts, session = connection.stream.facts, connection.session
        if facts.remote is None or facts.client is not None or session is None:
            continue
        if session.attempt.kind is Kind.COMPONENT:
            continue
        found.setdefault(facts.remote, []).append(connection)
    return found


def waits_by_domain(backoff: Backoff, now: float) -> dict[str, float]:
    """Return how long domains are not tried yet, in seconds; of several pairs with one, the longest counts."""
    waiting: dict[str, float] = {}
    for whom, retry_at in backoff.waiting(now).items():
        target = target_of(whom)
        waiting[target] = max(round(retry_at - now, 1), waiting.get(target, 0))
    return waiting


def _direction(facts: Facts) -> Direction:
    return Direction.OUT if facts.role is Role.INITIATING else Direction.IN


def _weakest_tls(streams: Iterable[Any]) -> str:
    """Return the oldest TLS version, `none` where a stream is in clear; empty without a stream."""
    found = {each.stream.facts.tls.version if each.stream.facts.tls else "none" for each in streams}
    return "none" if "none" in found else min(found, default="")


def _told(fate: Fate | None) -> str:
    if fate is None:
        return ""
    return f"a stream was accepted, then: {fate.reason}" if fate.is_ending and fate.verdict.is_failure else fate.reason
