"""Status: the state of the gateway at one moment, as plain records, which commands, page and metrics show.

Reading changes nothing and keeps nothing. `Observed` lists the parts of the running gateway that are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import nlargest
from importlib.metadata import version
from typing import Any, TypeVar

from gateway.components.route import ComponentRoute
from gateway.config.settings import ComponentDomain, HandlerDomain, RelayDomain, Settings
from gateway.federation.backoff import Backoff, target_of
from gateway.federation.outbound import OutboundSession
from gateway.federation.route import RemoteRoute
from gateway.net.certificates.own_certificates import Identity
from gateway.notices.attempts.records import Attempt, Direction, Kind
from gateway.notices.notices import counted
from gateway.operations.census import Census, attempt_of, labels_of
from gateway.operations.history import History
from gateway.operations.status_records import (
    CertificateStatus,
    DomainStatus,
    Figures,
    OutboxFigures,
    PeerStatus,
    QueueStatus,
    Status,
    StreamStatus,
)
from gateway.outbox.keeper import Keeper
from gateway.stream.facts import Facts
from gateway.timing.turns import Turns
from gateway.xmpp.addresses import Domain, DomainPair

DAY_SECONDS = 86400


@dataclass(frozen=True, kw_only=True)
class Observed:
    """The parts of the running gateway that are read. The mappings are the gateway's own, which it changes."""

    settings: Callable[[], Settings]
    history: History
    identities: Mapping[Domain, Identity]
    components: Mapping[Domain, ComponentRoute]
    keeper: Keeper
    remote_routes: Mapping[DomainPair, RemoteRoute]
    backoff: Backoff
    started_at: float
    connections: Callable[[], Iterable[Any]]  # inbound and outbound
    missing: Callable[[], list[str]]  # what the gateway lacks to do its work


class StatusReader:
    """The reader that makes records of the gateway's present state."""

    def __init__(
        self, observed: Observed, seconds: Callable[[], float], time_of_day: Callable[[], float] | None = None
    ) -> None:
        """`seconds` is the clock of timers, `time_of_day` that of timestamps; if left out, the same."""
        self._observed = observed
        self._seconds = seconds
        self._time_of_day = time_of_day or seconds
        self._version = version("xmpp-gateway")

    def status(self, most: int | None = None) -> Status:
        """Return everything at once; at most `most` streams, peers and queues, those in trouble or in use first."""
        census = Census(self._observed.connections())
        streams = [self._stream(connection) for connection in census.latest(most)]
        peers = self.peers(census)
        return self._status(census, streams, len(peers.names), list(peers.records(most)), list(self.queues(most)))

    async def whole(self, turns: Turns) -> Status:
        """Return everything, read in turns; a large status is therefore not of a single moment."""
        census = Census(self._observed.connections())
        streams = await turns.gather(self._stream(each) for each in census.connections if not each.is_lost)
        peers = await turns.gather(self.peers(census).records())
        return self._status(census, streams, len(peers), peers, await turns.gather(self.queues()))

    def _status(
        self,
        census: Census,
        streams: list[StreamStatus],
        peer_count: int,
        peers: list[PeerStatus],
        queues: list[QueueStatus],
    ) -> Status:
        return Status(
            version=self._version,
            time=self._time_of_day(),
            started=self._observed.started_at,
            problems=[*self._observed.missing(), *self._observed.keeper.problems()],
            doors=[f"{door} {endpoint}" for door, endpoint in self._observed.settings().listen.opened()],
            domains=list(self.domains(census)),
            certificates=list(self.certificates()),
            streams=sorted(streams, key=lambda stream: stream.number),
            peers=peers,
            queues=queues,
            stream_count=len(census.connections),
            peer_count=peer_count,
            queue_count=len(self._observed.remote_routes),
        )

    def figures(self) -> Figures:
        """Return the figures of the moment."""
        routes = self._observed.remote_routes.values()
        census = Census(self._observed.connections())
        return Figures(
            version=self._version,
            ready=not self._observed.missing(),
            streams=census.streams,
            queued_stanzas=sum(route.queued for route in routes),
            routes=Counter(route.disposition.value for route in routes),
            waiting_domains=len(self._waiting(self._seconds())),
            outbox=self._outbox(),
            domains=list(self.domains(census)),
            certificates=list(self.certificates()),
        )

    def _outbox(self) -> OutboxFigures | None:
        keeper = self._observed.keeper
        if keeper.outbox is None:
            return None
        outbox = keeper.outbox
        return OutboxFigures(
            stanzas=outbox.stanzas, bytes=outbox.size, condition=outbox.condition.word, counts=dict(keeper.counts)
        )

    def streams_of(self, domain: str) -> list[StreamStatus]:
        """Return the streams with another domain, or for one of ours, the oldest first."""
        found = [self._stream(each) for each in self._observed.connections() if domain in _ends(each)]
        return sorted(found, key=lambda stream: stream.number)

    def own(self, name: str) -> list[DomainStatus]:
        """Return the status of a domain, if it is one of ours."""
        return [each for each in self.domains(Census(self._observed.connections())) if each.domain == name]

    def domains(self, census: Census) -> Iterator[DomainStatus]:
        """Yield our domains, in the order of the configuration."""
        for name, settings in self._observed.settings().domains.items():
            match settings:
                case ComponentDomain():
                    session = self._observed.components[name].session
                    told = f"attached from {session.address}" if session is not None else "no component is attached"
                    yield DomainStatus(domain=name, serve="component", up=session is not None, told=told)
                case RelayDomain():
                    count = census.between[name, Direction.IN] + census.between[name, Direction.OUT]
                    last = next(iter(self._observed.history.of(name)), None)
                    failed = last is not None and last.verdict.is_failure and not count
                    told = f"the last attempt failed: {last.verdict}" if failed and last else counted(count, "stream")
                    told = f"{told}, to the server at {settings.peer.connect}"
                    yield DomainStatus(domain=name, serve="relay", up=not failed, told=told)
                case HandlerDomain():
                    yield DomainStatus(domain=name, serve="handler", up=True, told=settings.serve)
                case _:
                    count = census.clients[name]
                    yield DomainStatus(domain=name, serve=settings.serve, up=True, told=counted(count, "client"))

    def certificates(self) -> Iterator[CertificateStatus]:
        """Yield our certificates, the first to expire first."""
        now = datetime.fromtimestamp(self._time_of_day(), UTC)
        found = sorted(self._observed.identities.items(), key=lambda item: item[1].not_after)
        for domain, identity in found:
            yield CertificateStatus(
                domain=domain,
                file=str(identity.certificate_file),
                names=str(identity.names),
                not_after=f"{identity.not_after:%Y-%m-%d}",
                days_left=round((identity.not_after - now).total_seconds() / DAY_SECONDS, 2),
            )

    def queues(self, most: int | None = None) -> Iterator[QueueStatus]:
        """Yield every domain pair with stanzas sent or waiting; with `most`, those for which most wait."""
        waiting = self._waiting(self._seconds())
        routes = self._observed.remote_routes
        chosen = _the_most_telling(list(routes.items()), most, lambda item: item[1].queued, lambda item: item[0].target)
        for pair, route in chosen:
            yield QueueStatus(
                sender=pair.sender,
                target=pair.target,
                disposition=route.disposition.value,
                stanzas=route.queued,
                sent=route.sent,
                retry_in=waiting.get(pair.target),
            )

    def peers(self, census: Census) -> OtherDomains:
        """Return every other domain that is remembered."""
        return OtherDomains(self._observed, census, self._waiting(self._seconds()))

    def peer(self, name: str) -> PeerStatus | None:
        """Return one other domain, if it is remembered."""
        known = self.peers(Census(self._observed.connections()))
        return known.record(name) if name in known.names else None

    def _waiting(self, now: float) -> dict[str, float]:
        """Return for each domain how long it will not be tried, in seconds; of several pairs, the longest counts."""
        waiting: dict[str, float] = {}
        for whom, retry_at in self._observed.backoff.waiting(now).items():
            target = target_of(whom)
            waiting[target] = max(round(retry_at - now, 1), waiting.get(target, 0))
        return waiting

    def _stream(self, connection: Any) -> StreamStatus:
        facts: Facts = connection.stream.facts
        direction, kind, state, _, tls = labels_of(connection)
        attempt = attempt_of(connection)
        return StreamStatus(
            number=attempt.number if attempt else 0,
            kind=kind,
            direction=direction,
            state=state,
            local=facts.local or "",
            remote=str(facts.client or facts.remote or (attempt.remote if attempt else "")),
            address=connection.peer_address,
            both_ways=facts.bidirectional or kind in (Kind.COMPONENT, Kind.CLIENT),
            proofs={f"{pair.sender} to {pair.target}": str(means) for pair, means in facts.proofs.items()},
            tls=tls,
            cipher=facts.tls.cipher if facts.tls else "",
            certificate=facts.certificate.description if facts.certificate else "",
            began=attempt.began if attempt else self._observed.started_at,
            bytes_in=connection.bytes_in,
            bytes_out=connection.bytes_out,
            idle_seconds=round(max(0.0, self._seconds() - connection.last_activity), 1),
        )


class OtherDomains:
    """The other domains that are remembered; a record of each is made on request."""

    def __init__(self, observed: Observed, census: Census, waiting: Mapping[str, float]) -> None:
        self._census = census
        self._waiting = waiting
        self._latest = {domain: attempt for domain, attempt in observed.history.latest() if _is_server(attempt)}
        self._queued: Counter[str] = Counter()
        for pair, route in observed.remote_routes.items():
            self._queued[pair.target] += route.queued
        self.names = {*self._latest, *self._queued, *(remote for remote, _ in census.between)} - {""}

    def records(self, most: int | None = None) -> Iterator[PeerStatus]:
        """Yield all of them by name, or the `most` that are in trouble or in use."""
        chosen = self.names if most is None else nlargest(most, self.names, key=self._weight)
        return map(self.record, sorted(chosen))

    def record(self, name: str) -> PeerStatus:
        """Return one of them."""
        last = self._latest.get(name)
        return PeerStatus(
            domain=name,
            streams_in=self._census.between[name, Direction.IN],
            streams_out=self._census.between[name, Direction.OUT],
            queued=self._queued[name],
            retry_in=self._waiting.get(name),
            verdict=str(last.verdict) if last else "",
            told=last.what_happened if last else "",
            when=last.began if last else None,
        )

    def _weight(self, name: str) -> tuple[bool, int, float]:
        """Return the sort key: domains with waiting stanzas first, then those with streams, then those most recently
        active.
        """
        last = self._latest.get(name)
        return self._queued[name] > 0, self._census.streams_with(name), last.began if last else 0


def _ends(connection: Any) -> tuple[object, object]:
    return connection.stream.facts.local, connection.stream.facts.remote


T = TypeVar("T")


def _the_most_telling(
    found: list[T], most: int | None, weight: Callable[[T], Any], order: Callable[[T], Any]
) -> list[T]:
    return found if most is None or len(found) <= most else sorted(nlargest(most, found, key=weight), key=order)


def outbound_connections(sessions: Iterable[OutboundSession]) -> Iterator[Any]:
    """Yield the connections of the streams that we opened."""
    return (session.connection for session in sessions)


def _is_server(attempt: Attempt) -> bool:
    return attempt.kind in (Kind.SERVER, Kind.KEYS)
