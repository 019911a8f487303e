"""Status: the gateway as it is at one moment, as plain records. What commands, page and metrics show is read here.

Reading changes nothing and keeps nothing. The parts of the running gateway come in as one object that has them under
the names of `Parts`; records hold texts and numbers only, so that they can be turned into JSON as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, Protocol

from gateway.addresses import Domain, DomainPair
from gateway.attempts.records import Attempt, AttemptLog, Direction, Kind
from gateway.components import ComponentRoute
from gateway.federation.backoff import Backoff
from gateway.federation.outbound import OutboundSession
from gateway.federation.route import RemoteRoute
from gateway.history import History
from gateway.net.identities import Identity
from gateway.settings import ComponentDomain, HandlerDomain, RelayDomain, Settings
from gateway.stream.facts import Facts, Role

DAY_SECONDS = 86400


class Parts(Protocol):
    """What is read of the running gateway."""

    @property
    def settings(self) -> Settings: ...
    @property
    def history(self) -> History: ...
    @property
    def identities(self) -> Mapping[Domain, Identity]: ...
    @property
    def components(self) -> Mapping[Domain, ComponentRoute]: ...
    @property
    def remote_routes(self) -> Mapping[DomainPair, RemoteRoute]: ...
    @property
    def backoff(self) -> Backoff: ...
    @property
    def started_at(self) -> float: ...
    def connections(self) -> Iterable[Any]:
        """All connections, inbound and outbound."""

    def missing(self) -> list[str]:
        """What is missing for the gateway to do its work."""


@dataclass(frozen=True, kw_only=True)
class DomainStatus:
    """A domain of ours: what serves it, and whether that is there."""

    domain: str
    serve: str
    up: bool
    told: str


@dataclass(frozen=True, kw_only=True)
class StreamStatus:
    """One stream; `proofs` are means by domain pair, times in seconds."""

    number: int
    kind: str
    direction: str
    state: str
    local: str
    remote: str
    address: str
    proofs: Mapping[str, str]
    tls: str
    cipher: str
    certificate: str
    began: float
    bytes_in: int
    bytes_out: int
    idle_seconds: float

    @property
    def means(self) -> str:
        """By what the stream is proved, best first; `none` before that."""
        return min(self.proofs.values(), default="none")


@dataclass(frozen=True, kw_only=True)
class QueueStatus:
    """What a domain pair has waiting for a stream, and until when it is not tried."""

    sender: str
    target: str
    disposition: str
    stanzas: int
    sent: int
    retry_in: float | None


@dataclass(frozen=True, kw_only=True)
class PeerStatus:
    """Another domain: its streams, what waits for it, and how the last attempt ended."""

    domain: str
    streams_in: int
    streams_out: int
    queued: int
    retry_in: float | None
    verdict: str
    told: str
    when: float | None


@dataclass(frozen=True, kw_only=True)
class CertificateStatus:
    """A certificate of ours and how many days it has left."""

    domain: str
    file: str
    names: str
    not_after: str
    days_left: float


@dataclass(frozen=True, kw_only=True)
class Status:
    """All of it."""

    version: str
    time: float
    started: float
    problems: Sequence[str]
    doors: Sequence[str]
    domains: Sequence[DomainStatus]
    certificates: Sequence[CertificateStatus]
    streams: Sequence[StreamStatus]
    peers: Sequence[PeerStatus]
    queues: Sequence[QueueStatus]

    @property
    def ready(self) -> bool:
        """Whether the gateway does its work."""
        return not self.problems


class StatusReader:
    """Makes records of the gateway as it is."""

    def __init__(self, parts: Parts, seconds: Callable[[], float]) -> None:
        """`seconds` is the clock of attempts and timers."""
        self._parts = parts
        self._seconds = seconds
        self._version = version("xmpp-gateway")

    def status(self) -> Status:
        """Everything at once."""
        streams = list(self.streams())
        queues = list(self.queues())
        return Status(
            version=self._version,
            time=self._seconds(),
            started=self._parts.started_at,
            problems=self._parts.missing(),
            doors=[f"{door} {endpoint}" for door, endpoint in self._parts.settings.listen.opened()],
            domains=list(self.domains(streams)),
            certificates=list(self.certificates()),
            streams=streams,
            peers=list(self.peers(streams, queues)),
            queues=queues,
        )

    def domains(self, streams: Sequence[StreamStatus]) -> Iterator[DomainStatus]:
        """Our domains, in the order of the configuration."""
        for name, settings in self._parts.settings.domains.items():
            match settings:
                case ComponentDomain():
                    session = self._parts.components[name].session
                    told = f"attached from {session.address}" if session is not None else "nobody is attached"
                    yield DomainStatus(domain=name, serve="component", up=session is not None, told=told)
                case RelayDomain():
                    count = sum(stream.remote == name for stream in streams)
                    told = f"{_count(count, 'stream')} to the server at {settings.peer.connect}"
                    yield DomainStatus(domain=name, serve="relay", up=count > 0, told=told)
                case HandlerDomain():
                    yield DomainStatus(domain=name, serve="handler", up=True, told=settings.serve)
                case _:
                    count = sum(stream.kind == Kind.CLIENT and stream.local == name for stream in streams)
                    yield DomainStatus(domain=name, serve=settings.serve, up=True, told=_count(count, "client"))

    def certificates(self) -> Iterator[CertificateStatus]:
        """Our certificates, those that end first before the others."""
        now = datetime.fromtimestamp(self._seconds(), UTC)
        found = sorted(self._parts.identities.items(), key=lambda item: item[1].not_after)
        for domain, identity in found:
            yield CertificateStatus(
                domain=domain,
                file=str(identity.certificate_file),
                names=str(identity.names),
                not_after=f"{identity.not_after:%Y-%m-%d}",
                days_left=round((identity.not_after - now).total_seconds() / DAY_SECONDS, 2),
            )

    def streams(self) -> Iterator[StreamStatus]:
        """Every stream, the oldest first."""
        found = [self._stream(connection) for connection in self._parts.connections()]
        yield from sorted(found, key=lambda stream: stream.number)

    def queues(self) -> Iterator[QueueStatus]:
        """Every domain pair that stanzas have left for, or wait for."""
        now = self._seconds()
        for pair, route in self._parts.remote_routes.items():
            yield QueueStatus(
                sender=pair.sender,
                target=pair.target,
                disposition=route.disposition.value,
                stanzas=route.queued,
                sent=route.sent,
                retry_in=self._retry_in(pair.target, now),
            )

    def peers(self, streams: Sequence[StreamStatus], queues: Sequence[QueueStatus]) -> Iterator[PeerStatus]:
        """Every other domain that is remembered, by name."""
        now = self._seconds()
        latest = {domain: attempt for domain, attempt in self._parts.history.latest() if _is_server(attempt)}
        between = [stream for stream in streams if stream.kind in (Kind.SERVER, Kind.KEYS)]
        names = {*latest, *(stream.remote for stream in between), *(queue.target for queue in queues)} - {""}
        for name in sorted(names):
            mine = [stream for stream in between if stream.remote == name]
            last = latest.get(Domain(name))
            yield PeerStatus(
                domain=name,
                streams_in=sum(stream.direction == Direction.IN for stream in mine),
                streams_out=sum(stream.direction == Direction.OUT for stream in mine),
                queued=sum(queue.stanzas for queue in queues if queue.target == name),
                retry_in=self._retry_in(name, now),
                verdict=str(last.verdict) if last else "",
                told=last.what_happened if last else "",
                when=last.began if last else None,
            )

    def _retry_in(self, domain: str, now: float) -> float | None:
        retry_at = self._parts.backoff.retry_at(domain, now)
        return None if retry_at is None else round(retry_at - now, 1)

    def _stream(self, connection: Any) -> StreamStatus:
        facts: Facts = connection.stream.facts
        attempt: AttemptLog | None = getattr(connection.session, "attempt", None)
        direction = Direction.OUT if facts.role is Role.INITIATING else Direction.IN
        return StreamStatus(
            number=attempt.number if attempt else 0,
            kind=attempt.kind if attempt else Kind.CLIENT,
            direction=direction,
            state=connection.stream.state.value,
            local=facts.local or "",
            remote=str(facts.client or facts.remote or (attempt.remote if attempt else "")),
            address=connection.peer_address,
            proofs={f"{pair.sender} to {pair.target}": str(means) for pair, means in facts.proofs.items()},
            tls=facts.tls.version if facts.tls else "none",
            cipher=facts.tls.cipher if facts.tls else "",
            certificate=facts.certificate.description if facts.certificate else "",
            began=attempt.began if attempt else self._parts.started_at,
            bytes_in=connection.bytes_in,
            bytes_out=connection.bytes_out,
            idle_seconds=round(max(0.0, self._seconds() - connection.last_activity), 1),
        )


def outbound_connections(sessions: Iterable[OutboundSession]) -> Iterator[Any]:
    """The connections of the streams that we opened."""
    return (session.connection for session in sessions if session.connection is not None)


def _is_server(attempt: Attempt) -> bool:
    return attempt.kind in (Kind.SERVER, Kind.KEYS)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
