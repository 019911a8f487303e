"""The records of a status: strings and numbers only, so that they become JSON unchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.operations.census import StreamLabels


@dataclass(frozen=True, kw_only=True)
class DomainStatus:
    """A domain of ours: what serves it, and whether that is up."""

    domain: str
    serve: str
    up: bool
    told: str


@dataclass(frozen=True, kw_only=True)
class StreamStatus:
    """One stream; `direction` says who opened it, `proofs` the means of proof by pair; times are in seconds."""

    number: int
    kind: str
    direction: str
    state: str
    local: str
    remote: str
    address: str
    both_ways: bool
    proofs: Mapping[str, str]
    tls: str
    cipher: str
    certificate: str
    began: float
    bytes_in: int
    bytes_out: int
    idle_seconds: float


@dataclass(frozen=True, kw_only=True)
class QueueStatus:
    """The stanzas of a domain pair that wait for a stream, and until when it is not tried."""

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
    """A certificate of ours and the days until it expires."""

    domain: str
    file: str
    names: str
    not_after: str
    days_left: float


@dataclass(frozen=True, kw_only=True)
class Status:
    """The whole status. Streams, peers and queues may be shortened; their totals are complete."""

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
    stream_count: int
    peer_count: int
    queue_count: int

    @property
    def ready(self) -> bool:
        """Return whether the gateway does its work."""
        return not self.problems


@dataclass(frozen=True, kw_only=True)
class OutboxFigures:
    """The stanzas kept now, the word for the outbox's condition, and the counts since the start."""

    stanzas: int
    bytes: int
    condition: str
    counts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures for metrics, counted rather than listed; cheap even with very many streams."""

    version: str
    ready: bool
    streams: Counter[StreamLabels]
    queued_stanzas: int
    routes: Counter[str]  # by disposition
    waiting_domains: int
    outbox: OutboxFigures | None = None  # None until it is opened
    domains: Sequence[DomainStatus]
    certificates: Sequence[CertificateStatus]
