"""The records of a status: strings and numbers only, so that they become JSON unchanged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.operations.census import StreamLabels


@dataclass(frozen=True, kw_only=True)
class DomainStatus:
    """One of our domains: what serves it, and whether that is up."""

    domain: str
    serve: str
    up: bool
    told: str


@dataclass(frozen=True, kw_only=True)
class StreamStatus:
    """One stream; `direction` says who opened it; times are in seconds.

    `management` says whether the other server acknowledges stanzas: `none` if it does not offer that, `unused`,
    `acknowledged`, or `resumable` if the stream can also be resumed; empty for others. `acknowledged_after` is how many
    seconds its last acknowledgement took.

    `they_to_us` and `we_to_them` are what each side has proved, `certificate_fault` why the other side's certificate
    proves nothing (see `notices.attempts.proofs`); `proofs` are the means that were negotiated, by domain pair.
    """

    number: int
    kind: str
    direction: str
    state: str
    local: str
    remote: str
    address: str
    both_ways: bool
    they_to_us: str
    we_to_them: str
    certificate_fault: str
    proofs: Mapping[str, str]
    tls: str
    cipher: str
    certificate: str
    began: float
    bytes_in: int
    bytes_out: int
    idle_seconds: float
    management: str
    acknowledged_after: float | None


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
    """Another domain: its state and since when, its streams, what waits for it, and how the last attempt ended.

    `oldest` is how many seconds the oldest stanza has waited in the outbox, `failures` how often in a row it failed.
    Proofs, TLS version and days of the certificate are the weakest of all streams. `hour` has the bytes that passed in
    twelve equal parts of the last hour.
    """

    domain: str
    state: str
    since: float | None
    streams_in: int
    streams_out: int
    queued: int
    oldest: float | None
    retry_in: float | None
    verdict: str
    told: str
    when: float | None
    failures: int
    they_to_us: str
    we_to_them: str
    certificate_fault: str
    certificate_days: float | None
    tls: str
    hour: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class TroubleStatus:
    """Something that does not work, since when, and what to do."""

    kind: str
    subject: str
    sentence: str
    remedy: str
    since: float


@dataclass(frozen=True, kw_only=True)
class CertificateStatus:
    """One of our certificates and the days until it expires; `expires` is in seconds since 1970."""

    domain: str
    file: str
    names: str
    not_after: str
    expires: float
    days_left: float


@dataclass(frozen=True, kw_only=True)
class DiskFigures:
    """The disk of the state folder, in bytes; `free` is what the gateway's user may still use."""

    folder: str
    size: int
    free: int


@dataclass(frozen=True, kw_only=True)
class OutboxFigures:
    """The stanzas kept now, the age of the oldest, the outbox's condition in a word, and the counts since the start.

    `held` are the domains that an operator has held, whether anything waits for them or not.
    """

    stanzas: int
    bytes: int
    condition: str
    oldest_seconds: float = 0.0
    held: Sequence[str] = ()
    counts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Status:
    """The whole status. Streams, peers and queues may be shortened; their totals are complete.

    `missing` is what keeps the gateway from its work, in words; `troubles` are everything that does not work.
    """

    version: str
    time: float
    started: float
    missing: Sequence[str]
    troubles: Sequence[TroubleStatus]
    doors: Sequence[str]
    domains: Sequence[DomainStatus]
    certificates: Sequence[CertificateStatus]
    streams: Sequence[StreamStatus]
    peers: Sequence[PeerStatus]
    queues: Sequence[QueueStatus]
    stream_count: int
    peer_count: int
    peer_states: Mapping[str, int]
    waiting: int
    queue_count: int
    outbox: OutboxFigures | None = None  # None until it is opened
    disk: DiskFigures | None = None  # None if the state folder cannot be read

    @property
    def ready(self) -> bool:
        """Return whether the gateway does its work."""
        return not self.missing


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures for metrics, counted rather than listed; cheap even with very many streams."""

    version: str
    ready: bool
    troubles: Counter[str]  # by kind
    peers: Counter[str]  # by state
    streams: Counter[StreamLabels]
    queued_stanzas: int
    routes: Counter[str]  # by disposition
    waiting_domains: int
    outbox: OutboxFigures | None = None  # None until it is opened
    domains: Sequence[DomainStatus]
    certificates: Sequence[CertificateStatus]
