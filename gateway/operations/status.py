"""Status: the state of the gateway at one moment, as plain records, which commands, page and metrics show.

Reading changes nothing and keeps nothing. `Observed` lists the parts of the running gateway that are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from heapq import nlargest
from importlib.metadata import version
from itertools import chain
from typing import Any, TypeVar

from gateway.components.route import ComponentRoute
from gateway.components.single import SingleService
from gateway.config.settings import ComponentDomain, HandlerDomain, RelayDomain, Settings
from gateway.federation.route import RemoteRoute
from gateway.federation.session import ServerSession
from gateway.net.certificates.own_certificates import Identity
from gateway.net.connection.protocol import StreamProtocol
from gateway.notices.attempts.proofs import proofs_on
from gateway.notices.attempts.records import Direction
from gateway.notices.notices import counted
from gateway.operations.census import Census, ConnectionCounts, labels_of, log_of
from gateway.operations.history import History
from gateway.operations.peers import OtherDomains, PeerSources, waits_by_domain
from gateway.operations.status_records import (
    CertificateStatus,
    DiskFigures,
    DomainStatus,
    Figures,
    OutboxFigures,
    PeerStatus,
    QueueStatus,
    Status,
    StreamStatus,
    TroubleStatus,
)
from gateway.operations.troubles import Trouble
from gateway.outbox.keeper import Keeper
from gateway.stream.facts import ClientFacts, Facts, ServerFacts
from gateway.timing.turns import Turns
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.namespaces import STREAM_MANAGEMENT


@dataclass(frozen=True, kw_only=True)
class Observed:
    """The parts of the running gateway that are read. The mappings are the gateway's own, which it changes."""

    settings: Callable[[], Settings]
    history: History
    identities: Mapping[Domain, Identity]
    components: Mapping[Domain, ComponentRoute]
    singles: Mapping[Domain, SingleService] = field(default_factory=dict)
    keeper: Keeper
    peers: PeerSources
    started_at: float
    connections: Callable[[], Iterable[StreamProtocol]]  # inbound and outbound
    missing: Callable[[], list[str]]  # what the gateway lacks to do its work
    troubles: Callable[[], list[Trouble]]
    disk: Callable[[], DiskFigures | None] = lambda: None


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
        peers = self.peers()
        shown = list(peers.records()) if most is None else peers.choose(0, most)[1]
        return self._status(census, streams, peers, shown, list(self.queues(most)))

    async def whole(self, turns: Turns) -> Status:
        """Return everything, read in turns; a large status is therefore not of a single moment."""
        census = Census(self._observed.connections())
        streams = await turns.gather(self._stream(each) for each in census.connections if not each.is_lost)
        others = self.peers()
        peers = await turns.gather(others.records())
        return self._status(census, streams, others, peers, await turns.gather(self.queues()))

    def _status(
        self,
        census: Census,
        streams: list[StreamStatus],
        others: OtherDomains,
        peers: list[PeerStatus],
        queues: list[QueueStatus],
    ) -> Status:
        return Status(
            version=self._version,
            time=self._time_of_day(),
            started=self._observed.started_at,
            missing=self._observed.missing(),
            troubles=self.troubles(),
            doors=[f"{door} {endpoint}" for door, endpoint in self._observed.settings().listen.opened()],
            domains=list(self.domains(census)),
            certificates=list(self.certificates()),
            streams=sorted(streams, key=lambda stream: stream.number),
            peers=peers,
            queues=queues,
            stream_count=len(census.connections),
            peer_count=len(others),
            peer_states=dict(others.counts),
            waiting=others.waiting,
            queue_count=len(self._ways()),
            outbox=self.outbox(),
            disk=self._observed.disk(),
        )

    def about(self) -> dict[str, Any]:
        """Return what has no length: version, times, whether the gateway is ready, open ports."""
        return {
            "version": self._version,
            "time": self._time_of_day(),
            "started": self._observed.started_at,
            "ready": not self._observed.missing(),
            "doors": [f"{door} {endpoint}" for door, endpoint in self._observed.settings().listen.opened()],
        }

    def stream_count(self) -> int:
        """Return how many streams there are, open or not."""
        return len([*self._observed.connections()])

    def troubles(self) -> list[TroubleStatus]:
        """Return what does not work, the longest lasting first."""
        return [
            TroubleStatus(
                kind=each.kind, subject=each.subject, sentence=each.sentence, remedy=each.remedy, since=each.since
            )
            for each in self._observed.troubles()
        ]

    def figures(self) -> Figures:
        """Return the figures of the moment."""
        routes = self._observed.peers.remote_routes.values()
        census = Census(self._observed.connections())
        return Figures(
            version=self._version,
            ready=not self._observed.missing(),
            troubles=Counter(str(each.kind) for each in self._observed.troubles()),
            peers=self.peers().counts,
            streams=census.streams,
            queued_stanzas=sum(route.queued for route in routes),
            routes=Counter(route.disposition.value for route in routes),
            waiting_domains=len(waits_by_domain(self._observed.peers.backoff, self._seconds())),
            outbox=self.outbox(),
            domains=list(self.domains(census)),
            certificates=list(self.certificates()),
        )

    def outbox(self) -> OutboxFigures | None:
        """Return the figures of the outbox, once it is open."""
        keeper = self._observed.keeper
        if keeper.outbox is None:
            return None
        outbox = keeper.outbox
        waits = keeper.oldest is not None and outbox.stanzas > 0
        return OutboxFigures(
            stanzas=outbox.stanzas,
            bytes=outbox.size,
            condition=outbox.condition.word,
            oldest_seconds=max(0.0, round(self._time_of_day() - (keeper.oldest or 0), 1)) if waits else 0.0,
            held=sorted(keeper.held),
            counts=dict(keeper.counts),
        )

    def streams_of(self, domain: str) -> list[StreamStatus]:
        """Return the streams with another domain, or for one of ours, the oldest first."""
        found = [self._stream(each) for each in self._observed.connections() if domain in _ends(each)]
        return sorted(found, key=lambda stream: stream.number)

    def own(self, name: str) -> list[DomainStatus]:
        """Return the status of a domain, if it is one of ours."""
        if name not in self._observed.settings().domains:
            return []
        return [each for each in self.own_domains() if each.domain == name]

    def own_domains(self) -> Iterator[DomainStatus]:
        """Yield our own domains, in the order of the configuration."""
        return self.domains(ConnectionCounts(self._observed.connections()))

    def domains(self, census: ConnectionCounts) -> Iterator[DomainStatus]:
        """Yield our domains, in the order of the configuration."""
        for name, settings in self._observed.settings().domains.items():
            match settings:
                case ComponentDomain():
                    component = self._observed.components[name]
                    told = _attached(component)
                    if waiting := sum(component.kept_by_pair.values()):
                        told = f"{told}, {counted(waiting, 'stanza')} waiting"
                    yield DomainStatus(domain=name, serve="component", up=bool(component.sessions), told=told)
                case RelayDomain():
                    count = census.between[name, Direction.IN] + census.between[name, Direction.OUT]
                    last = next(iter(self._observed.history.of(name)), None)
                    failed = last is not None and last.verdict.is_failure and not count
                    told = f"the last attempt failed: {last.verdict}" if failed and last else counted(count, "stream")
                    told = f"{told}, to the server at {settings.peer.connect}"
                    yield DomainStatus(domain=name, serve="relay", up=not failed, told=told)
                case HandlerDomain() if (single := self._observed.singles.get(name)) is not None:
                    at = ", ".join(session.address for session in single.route.sessions)
                    told = f"{settings.serve}, runs at {at}" if at else f"{settings.serve}, runs at no node"
                    yield DomainStatus(domain=name, serve="handler", up=bool(at), told=told)
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
                expires=identity.not_after.timestamp(),
                days_left=round((identity.not_after - now) / timedelta(days=1), 2),
            )

    def queues(self, most: int | None = None, target: str | None = None) -> Iterator[QueueStatus]:
        """Yield every domain pair with stanzas sent or waiting; with `most`, those for which most wait.

        With `target`, only the pairs with that domain.
        """
        waiting = waits_by_domain(self._observed.peers.backoff, self._seconds())
        ways = [way for way in self._ways() if target is None or way[0].target == target]
        for pair, way, queued, sent in _the_most_telling(ways, most, lambda way: way[2], lambda way: way[0][1]):
            yield QueueStatus(
                sender=pair.sender,
                target=pair.target,
                disposition=way.disposition.value,
                stanzas=queued,
                sent=sent,
                retry_in=waiting.get(pair.target) if queued else None,
            )

    def _ways(self) -> list[tuple[DomainPair, RemoteRoute | ComponentRoute, int, int]]:
        """Return the routes out, and those to components for which something is kept: how much waits, and was sent."""
        ways: list[tuple[DomainPair, RemoteRoute | ComponentRoute, int, int]] = [
            (pair, route, route.queued, route.sent) for pair, route in self._observed.peers.remote_routes.items()
        ]
        singles = [single.route for single in self._observed.singles.values()]
        for component in (
            *self._observed.components.values(),
            *singles,
        ):  # what they were sent is not counted by its sender
            ways += ((pair, component, count, 0) for pair, count in component.kept_by_pair.items())
        return ways

    def peers(self, waiting: Mapping[str, int] | None = None) -> OtherDomains:
        """Return every other domain with which there is something; `waiting` if it is known what waits for each."""
        sources = self._observed.peers
        now = sources.waiting() if waiting is None else waiting
        return OtherDomains(sources, now, self._seconds(), self._time_of_day())

    def peer(self, name: str) -> PeerStatus | None:
        """Return one other domain, if there is anything with it."""
        sources = self._observed.peers
        queued = sum(route.queued for pair, route in sources.remote_routes.items() if pair.target == name)
        return self.peers({name: queued} if queued else {}).find(name)

    def _stream(self, connection: StreamProtocol) -> StreamStatus:
        facts: Facts = connection.stream.facts
        direction, kind, state, *_, tls = labels_of(connection)
        proofs = proofs_on(facts)
        client = facts.client if isinstance(facts, ClientFacts) else None
        log = log_of(connection)
        return StreamStatus(
            number=log.number if log else 0,
            kind=kind,
            direction=direction,
            state=state,
            local=facts.local or "",
            remote=str(client or facts.remote or (log.remote if log else "")),
            address=connection.peer_address,
            both_ways=not isinstance(facts, ServerFacts) or facts.bidirectional,
            they_to_us=proofs.they_to_us,
            we_to_them=proofs.we_to_them,
            certificate_fault=proofs.certificate_fault,
            proofs={f"{pair.sender} to {pair.target}": str(means) for pair, means in facts.proved.items()},
            tls=tls,
            cipher=facts.tls.cipher if facts.tls else "",
            certificate=facts.certificate.description if facts.certificate else "",
            began=log.began if log else self._observed.started_at,
            bytes_in=connection.bytes_in,
            bytes_out=connection.bytes_out,
            idle_seconds=round(max(0.0, self._seconds() - connection.last_activity), 1),
            management=_management(connection),
            acknowledged_after=_acknowledged_after(connection),
        )


def _attached(component: ComponentRoute) -> str:
    """Return from where a component is attached, in words."""
    addresses = ", ".join(session.address for session in component.sessions)
    if not addresses:
        return "no component is attached"
    several = f"{len(component.sessions)} of {component.connections} connections " if component.connections > 1 else ""
    return f"{several}attached from {addresses}"


def _management(connection: StreamProtocol) -> str:
    """Return whether the other server acknowledges what is sent to it (XEP-0198)."""
    session = connection.session
    if not isinstance(session, ServerSession):
        return ""
    if session.managed is not None:
        return "resumable" if session.managed.id is not None else "acknowledged"
    offered = connection.stream.offered
    return "none" if offered is None or offered.first(STREAM_MANAGEMENT, "sm") is None else "unused"


def _acknowledged_after(connection: StreamProtocol) -> float | None:
    session = connection.session
    managed = session.managed if isinstance(session, ServerSession) else None
    return managed.acknowledged_after if managed is not None else None


def _ends(connection: StreamProtocol) -> set[str | None]:
    """Return the domains that talk over a stream: those of its header, and those of every pair proved on it."""
    facts: Facts = connection.stream.facts
    return {facts.local, facts.remote, *chain.from_iterable(facts.proved)}


T = TypeVar("T")


def _the_most_telling(
    found: list[T], most: int | None, weight: Callable[[T], Any], order: Callable[[T], Any]
) -> list[T]:
    return found if most is None or len(found) <= most else sorted(nlargest(most, found, key=weight), key=order)
