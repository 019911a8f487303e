"""Facts: what has been proved and negotiated on a stream so far, as one frozen record that is replaced, never changed.

There is one type for each kind of stream, so that code for one kind cannot ask for what only another has:

    Facts                    what every stream has: both ends, terms, TLS
      NegotiatedFacts        SASL under way, stream management, limits
        ServerFacts          pairs proved and asserted, dialback
        ClientFacts          the account, then the full JID
      ComponentFacts         the domain that a component has been given

A state says what may come next (see `states`), a fact says what is known. Proof is a fact about a domain pair, never
about a stream: one stream may carry many pairs (XEP-0220 §2.6).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import Enum, StrEnum
from functools import cached_property
from types import MappingProxyType
from typing import Protocol, Self, TypeVar, cast

from gateway.sasl.mechanism import ClientMechanism, ServerMechanism
from gateway.stream.records import record, replace
from gateway.xmpp.addresses import Address, Domain, DomainPair
from gateway.xmpp.errors import Misuse, SaslFailure


class Role(Enum):
    """Which side opened the stream (RFC 6120 §1.4)."""

    INITIATING = "initiating"
    RECEIVING = "receiving"


class Means(StrEnum):
    """How a domain was proved, or a client authenticated, by the names used in logs and pages."""

    EXTERNAL = "external"  # SASL EXTERNAL with a certificate (XEP-0178)
    DIALBACK = "dialback"  # XEP-0220
    CERTIFICATE = "certificate"  # dialback answered from the certificate (XEP-0344)
    DANE = "dane"  # SASL EXTERNAL with a certificate that TLSA records name (RFC 7673)
    POSH = "posh"  # SASL EXTERNAL with a certificate that the domain's web server names (RFC 7711)
    DIGEST_MD5 = "digest-md5"
    HANDSHAKE = "handshake"  # XEP-0114
    PASSWORD = "password"


BY_CERTIFICATE = frozenset({Means.EXTERNAL, Means.DANE, Means.POSH})
"""The means for which a server shows its certificate: what is asked about it differs."""


class Management(Enum):
    """Whether stanzas are acknowledged on a stream (XEP-0198)."""

    NONE = "none"
    RESUMING = "resuming"
    ON = "on"


NOTHING_PROVED: Mapping[DomainPair, Means] = MappingProxyType({})


class PeerCertificate(Protocol):
    """The verdict on the certificate that the other side presented."""

    @property
    def valid(self) -> bool: ...
    @property
    def has_expired(self) -> bool: ...
    @property
    def not_after(self) -> datetime | None: ...
    @property
    def not_before(self) -> datetime | None: ...
    @property
    def key(self) -> str: ...  # SHA-256 of its subjectPublicKeyInfo in hex, empty if there is none
    @property
    def issuer(self) -> str: ...
    @property
    def is_revoked(self) -> bool: ...
    @property
    def unchecked(self) -> str: ...  # whose revocation list is missing; empty if none is
    @property
    def description(self) -> str: ...
    def proves(self, domain: Domain, means: Means = Means.EXTERNAL) -> bool: ...
    def why_not(self, domain: Domain, means: Sequence[Means] = (Means.EXTERNAL,)) -> str: ...
    def record(self, domain: Domain, means: Means) -> str: ...
    def accounts(self, domain: Domain) -> frozenset[str]: ...


@record(frozen=True, kw_only=True)
class Terms:
    """The terms of a stream: what we require from the other side and grant it, by its domain.

    They are made of those keys of `[peers]` that concern a stream. There are a few, made once, so what follows from
    their fields is computed once. `dataclasses.replace` copies them.
    """

    require_tls: bool = True
    means: tuple[Means, ...] = (Means.EXTERNAL, Means.DIALBACK)
    required: Means | None = None  # of those by certificate: without this one nothing passes
    needs_revocation_lists: bool = False  # a certificate counts only if the lists that it names are available
    pins: frozenset[str] = frozenset()  # digests of the keys that the other side may have; empty: any
    shared_secret: str | None = field(default=None, repr=False)  # for DIGEST-MD5

    stanza_bytes: int = 524288
    assumed_stanza_bytes: int = 524288  # the limit assumed unless the other side announces one; 0: any size
    stanzas_per_second: float = 0  # 0: unlimited
    idle_seconds: float = 0  # 0: no limit
    bidirectional: bool = True  # stanzas may pass both ways on one stream
    managed: bool = True  # stanzas are acknowledged where both sides support it

    def allow(self, means: Means) -> bool:
        """Return whether this is one of the means of proof that we accept."""
        return means in self.means

    @cached_property
    def by_certificate(self) -> tuple[Means, ...]:
        """The accepted means that use a certificate, in order of preference."""
        return tuple(means for means in self.means if means in BY_CERTIFICATE and self.required in (None, means))

    @cached_property
    def by_certificate_elsewhere(self) -> tuple[Means, ...]:
        """Those of them for which the domain says something about its certificate elsewhere."""
        return tuple(means for means in self.by_certificate if means is not Means.EXTERNAL)

    @cached_property
    def needs_certificate(self) -> bool:
        """Return whether only its certificate can prove the other side."""
        return self.required is not None or all(means in BY_CERTIFICATE for means in self.means)


@record(frozen=True, kw_only=True)
class TLSFacts:
    """The properties of a TLS connection: version and cipher for people, channel bindings for SASL."""

    version: str = ""
    cipher: str = ""
    alpn: str | None = None
    channel_bindings: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@record(frozen=True, kw_only=True)
class Resumable:
    """One of our streams, broken: the id to resume it by, and how many stanzas we had handled (XEP-0198 §5)."""

    id: str
    h: int


@record(frozen=True, kw_only=True)
class PeerLimits:
    """The limits that the other side has announced (XEP-0478); None: not announced."""

    stanza_bytes: int | None = None
    idle_seconds: int | None = None


# -- what is kept of SASL while it is under way ------------------------------------------------------------------------


@record(frozen=True, kw_only=True)
class Exchange:
    """Receiving entity: the mechanism under way, and the number of failed attempts."""

    name: str = ""
    running: ServerMechanism | None = field(default=None, repr=False)
    failures: int = 0
    refusal: SaslFailure | None = None  # sent when the pause is over


@record(frozen=True, kw_only=True)
class Usable:
    """A mechanism that we can use: its name on the wire, its name in logs, and the function that begins it."""

    name: str
    means: Means
    begin: Callable[[], ClientMechanism]


@record(frozen=True, kw_only=True)
class Trying:
    """Initiating entity: the mechanism under way, and those to try after it."""

    by: Usable
    running: ClientMechanism = field(repr=False)
    refusal: SaslFailure | None = None  # our refusal of a message from the server
    untried: tuple[Usable, ...] = ()


# -- the facts ---------------------------------------------------------------------------------------------------------


@record(frozen=True, kw_only=True)
class Facts:
    """The facts of a stream of any kind."""

    role: Role
    local: Domain | None = None  # our domain on this stream
    remote: Domain | None = None  # the domain that the other side claims to be
    stream_id: str = ""
    peer_version: tuple[int, int] = (1, 0)
    terms: Terms = Terms()
    tls: TLSFacts | None = None
    certificate: PeerCertificate | None = None
    tried: frozenset[str] = frozenset()  # names of features that have been negotiated or have failed

    @classmethod
    def of(cls, facts: Facts) -> Self:
        """Return facts whose kind the caller knows; raise Misuse if they are of another kind."""
        if not isinstance(facts, cls):
            raise Misuse(f"{type(facts).__name__} were taken for {cls.__name__}")
        return facts

    @property
    def our_domain(self) -> Domain:
        """The domain that we are on this stream; raises Misuse before the header that says so."""
        if self.local is None:
            raise Misuse("no stream header has named us yet")
        return self.local

    @property
    def their_domain(self) -> Domain:
        """The domain that the other side says it is; raises Misuse before the header that says so."""
        if self.remote is None:
            raise Misuse("the other side has not named itself yet")
        return self.remote

    @property
    def encrypted(self) -> bool:
        """Return whether the stream is under TLS."""
        return self.tls is not None

    @property
    def own_name(self) -> Address | Domain | None:
        """The name by which we open the stream."""
        return self.local

    @property
    def proved(self) -> Mapping[DomainPair, Means]:
        """The domain pairs that are proved on this stream, for people to see."""
        return NOTHING_PROVED

    def certificate_proves(self, domain: Domain) -> bool:
        """Return whether the certificate proves exactly this domain, by any means."""
        certificate = self.certificate
        return certificate is not None and any(certificate.proves(domain, means) for means in BY_CERTIFICATE)

    def is_pinned(self, terms: Terms) -> bool:
        """Return whether the certificate has one of the keys that these terms pin, if they pin any."""
        return not terms.pins or (self.certificate is not None and self.certificate.key in terms.pins)

    def proof_by_certificate(self, domain: Domain, terms: Terms) -> Means | None:
        """Return the first of the terms' means by which the certificate proves the domain, or None."""
        certificate = self.certificate
        if certificate is None:
            return None
        for means in terms.by_certificate:
            if certificate.proves(domain, means):
                return None if means is Means.EXTERNAL and self._is_unchecked(terms) else means
        return None

    def _is_unchecked(self, terms: Terms) -> bool:
        """Return whether it matters that the certificate may have been revoked."""
        return terms.needs_revocation_lists and self.certificate is not None and bool(self.certificate.unchecked)

    def why_not_by_certificate(self, domain: Domain) -> str:
        """Return why the certificate does not prove that domain, in words; empty if it does."""
        if self.certificate is None:
            return "no certificate was presented"
        why_not = self.certificate.why_not(domain, self.terms.by_certificate or (Means.EXTERNAL,))
        return why_not or (self.certificate.unchecked if self._is_unchecked(self.terms) else "")

    def having_tried(self, feature: str) -> Facts:
        """Return these facts with this feature marked as tried."""
        return replace(self, tried=self.tried | {feature})

    def under_tls(self, tls: TLSFacts, certificate: PeerCertificate | None, tried: frozenset[str]) -> Facts:
        """Return the facts after TLS has started: only our own, and those of TLS (RFC 6120 §5.4.3.3)."""
        return type(self)(
            role=self.role,
            local=self.local,
            remote=self.remote,
            terms=self.terms,
            tls=tls,
            certificate=certificate,
            tried=tried,
        )


@record(frozen=True, kw_only=True)
class NegotiatedFacts(Facts):
    """What is known on a stream that negotiates its features: between servers, and of a client."""

    conversation: Exchange | Trying | None = None  # SASL under way
    management: Management = Management.NONE
    resuming: Resumable | None = None  # the broken stream that this one is to resume
    peer_limits: PeerLimits = PeerLimits()

    def resumed(self, client: Address | None) -> NegotiatedFacts:
        """Receiving entity: the other side goes on with a broken stream, of this client if of one (XEP-0198 §5)."""
        return replace(self, management=Management.ON)

    def under_tls(self, tls: TLSFacts, certificate: PeerCertificate | None, tried: frozenset[str]) -> NegotiatedFacts:
        """As `Facts.under_tls`."""
        fresh = super().under_tls(tls, certificate, tried)
        return replace(cast(NegotiatedFacts, fresh), resuming=self.resuming)


NegotiatedT = TypeVar("NegotiatedT", bound=NegotiatedFacts)


@record(frozen=True, kw_only=True)
class ServerFacts(NegotiatedFacts):
    """What is known on a stream between servers."""

    proofs: Mapping[DomainPair, Means] = field(default_factory=lambda: NOTHING_PROVED)  # inbound: theirs to ours
    asserted: frozenset[DomainPair] = frozenset()  # outbound: pairs that wait for the other side's verdict
    asked: frozenset[tuple[DomainPair, str]] = frozenset()  # outbound: keys, by stream id, that we have asked about
    checking: frozenset[DomainPair] = frozenset()  # inbound: pairs whose key is being checked
    peer_dialback_errors: bool = False
    bidirectional: bool = False  # stanzas pass both ways (XEP-0288)

    @property
    def proved(self) -> Mapping[DomainPair, Means]:
        """As `Facts.proved`."""
        return self.proofs

    @property
    def pair(self) -> DomainPair:
        """The domain pair of the stream header: sender and target on this stream."""
        ours, theirs = self.local, self.remote
        if ours is None or theirs is None:
            raise Misuse("the stream headers have not named both sides yet")
        return DomainPair(ours, theirs) if self.role is Role.INITIATING else DomainPair(theirs, ours)

    def proves(self, pair: DomainPair) -> bool:
        """Return whether exactly this pair has been proved on this stream."""
        return pair in self.proofs

    @property
    def admitted(self) -> Collection[DomainPair]:
        """The pairs whose stanzas the other side may send on this stream."""
        if self.role is Role.RECEIVING:
            return self.proofs
        return {pair.reversed() for pair in self.proofs} if self.bidirectional else ()

    def carries(self, pair: DomainPair) -> bool:
        """Return whether we may send stanzas of this pair on this stream."""
        if self.role is Role.INITIATING:
            return pair in self.proofs
        return self.bidirectional and pair.reversed() in self.proofs

    def with_proof(self, pair: DomainPair, means: Means) -> ServerFacts:
        """Return these facts with one more proved pair."""
        return replace(self, proofs=MappingProxyType({**self.proofs, pair: means}))


@record(frozen=True, kw_only=True)
class ClientFacts(NegotiatedFacts):
    """What is known on a stream of a client, of ours or us."""

    client: Address | None = None  # a bound client, or an authenticated one before binding

    @property
    def own_name(self) -> Address | Domain | None:
        """A client names itself once it has proved who it is (RFC 6120 §4.7.1)."""
        return self.local or self.client

    def resumed(self, client: Address | None) -> ClientFacts:
        """As `NegotiatedFacts.resumed`; it takes the place of binding a resource."""
        return replace(self, management=Management.ON, client=client or self.client)

    @property
    def is_bound(self) -> bool:
        """Return whether a client has a resource."""
        return self.client is not None and bool(self.client.resource)

    @property
    def awaits_resource(self) -> bool:
        """Return whether a client has proved its account and has no resource yet."""
        return self.client is not None and not self.client.resource


@record(frozen=True, kw_only=True)
class ComponentFacts(Facts):
    """What is known on a stream of a component, which negotiates nothing (XEP-0114)."""

    attached: Domain | None = None  # the domain that it has been given

    @property
    def proved(self) -> Mapping[DomainPair, Means]:
        """As `Facts.proved`: a component has proved its domain by the handshake."""
        if self.attached is None:
            return NOTHING_PROVED
        return {DomainPair(self.attached, self.attached): Means.HANDSHAKE}
