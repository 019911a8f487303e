"""Facts about a domain as a stranger observes them: plain values, without any judgement.

`gateway.inspection` collects them, the rules in this folder judge them, and a report in JSON contains them. Text from
the other side was cut and stripped of control characters before it came here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LookedUp(StrEnum):
    """How a question to the DNS ended."""

    FOUND = "found"
    NONE = "none"
    NO_NAME = "no such name"
    FAILED = "failed"
    SILENT = "silent"


class Signed(StrEnum):
    """What DNSSEC says about an answer."""

    SECURE = "secure"
    INSECURE = "insecure"
    BOGUS = "bogus"


class Reached(StrEnum):
    """How a connection attempt to an address ended."""

    CONNECTED = "connected"
    REFUSED = "refused"  # or reported unreachable: somebody answered
    SILENT = "silent"
    NO_ROUTE = "no route"  # this machine has no way there: IPv6 without IPv6
    SKIPPED = "skipped"  # not tried: no time was left, there were too many addresses, or this one may not be dialled


class STARTTLSOffer(StrEnum):
    """Whether a server offers STARTTLS."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    ABSENT = "absent"


class PeerAnswer(StrEnum):
    """The answer to one of our questions."""

    VALID = "valid"
    INVALID = "invalid"
    ERROR = "error"
    RESULT = "result"
    SILENCE = "silence"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, kw_only=True)
class DNSLookup:
    """A question to the DNS and its answer; `canonical` is where the name's aliases end."""

    kind: str
    name: str
    ended: LookedUp
    values: tuple[str, ...] = ()
    signed: Signed = Signed.INSECURE
    canonical: str = ""
    told: str = ""  # the answer in words

    @property
    def is_definite(self) -> bool:
        """Return whether the DNS has said what exists."""
        return self.ended in (LookedUp.FOUND, LookedUp.NONE, LookedUp.NO_NAME)

    @property
    def is_alias(self) -> bool:
        """Return whether the name is an alias of another one."""
        return bool(self.canonical) and self.canonical != self.name


@dataclass(frozen=True, kw_only=True)
class SeenServer:
    """A server that the domain names, with its addresses; `tls` is "starttls" or "direct"."""

    host: str
    port: int
    tls: str
    four: DNSLookup | None = None  # None if the host is an address itself
    six: DNSLookup | None = None
    tlsa: DNSLookup | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its addresses, IPv6 first."""
        if self.four is None or self.six is None:
            return (self.host,)
        return (*self.six.values, *self.four.values)

    @property
    def place(self) -> str:
        """The server as people write it."""
        return f"{self.host} port {self.port}"


@dataclass(frozen=True, kw_only=True)
class SeenNames:
    """What the DNS says; `source` is "srv", "fallback" (no service records), "literal" or "configured"."""

    source: str
    services: tuple[DNSLookup, ...] = ()  # _xmpp-server, then _xmpps-server
    denied: tuple[str, ...] = ()  # services with the target `.`
    servers: tuple[SeenServer, ...] = ()
    disagreements: tuple[str, ...] = ()  # what nameservers answer differently, in words
    checks_signatures: bool = False  # whether a nameserver is believed about DNSSEC


@dataclass(frozen=True, kw_only=True)
class SeenCertificate:
    """A certificate, and the judgement on it by the authorities of this machine.

    `reason` is one of `net.certificates.certificate_paths.Reason`. `dane` is "" if there are no usable TLSA records,
    else "match" or the problem.
    """

    reason: str
    problem: str = ""
    names: str = ""
    names_domain: bool = False
    not_before: str = ""
    not_after: str = ""
    days_left: int = 0
    issuer: str = ""
    key: str = ""
    sent: int = 0  # certificates in the handshake
    ends_in_root: bool = False  # the last of them is self-signed
    purposes: str = ""  # extendedKeyUsage, as "server", "client", "server client"; empty if absent
    dane: str = ""


@dataclass(frozen=True, kw_only=True)
class SeenTLS:
    """A TLS connection."""

    version: str
    cipher: str
    alpn: str = ""


@dataclass(frozen=True, kw_only=True)
class SeenStream:
    """What a server sent on one stream before the end of negotiation."""

    header: bool = False  # a header came
    from_: str = ""
    has_id: bool = False
    version: str = ""
    features: tuple[str, ...] = ()  # before TLS, by element name
    mechanisms_in_clear: tuple[str, ...] = ()  # of SASL
    starttls: STARTTLSOffer | None = None
    features_in_tls: tuple[str, ...] | None = None
    mechanisms: tuple[str, ...] = ()
    dialback: bool = False
    dialback_errors: bool = False
    verify: PeerAnswer = PeerAnswer.NOT_ASKED  # to a question about a key that nobody made
    claim: PeerAnswer = PeerAnswer.NOT_ASKED  # to the claim to be a domain that does not exist
    answers: int = 0  # to questions about many pairs
    condition: str = ""  # the stream error with which they ended
    text: str = ""
    ended: str = ""  # why the connection ended, unless we ended it


@dataclass(frozen=True, kw_only=True)
class SeenEndpoint:
    """One address of one server."""

    host: str
    port: int
    tls: str
    address: str
    reached: Reached
    told: str = ""
    secured: SeenTLS | None = None
    certificate: SeenCertificate | None = None
    problem: str = ""  # of TLS, in words
    stream: SeenStream = SeenStream()

    @property
    def place(self) -> str:
        """The endpoint as people write it."""
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"{shown}:{self.port}" if self.host == self.address else f"{self.host} {shown}:{self.port}"


@dataclass(frozen=True, kw_only=True)
class SeenRequest:
    """One of our requests to the domain, and what came back."""

    what: str  # "ping", "disco", "version", "time", "unknown request", "unknown user", "large"
    answer: PeerAnswer
    condition: str = ""
    told: str = ""
    seconds: float = 0


@dataclass(frozen=True, kw_only=True)
class SeenConversation:
    """What the running service saw when it spoke for one of our domains; `problem` says why it could not.

    `management` says what their server offers on our stream to them, in the words of `StreamStatus`;
    `acknowledged_after` is how many seconds its last acknowledgement took, or None if none has come.
    """

    ours: str
    problem: str = ""
    requests: tuple[SeenRequest, ...] = ()
    clock_skew: float | None = None  # seconds by which their clock is ahead of ours
    we_to_them: str = ""  # the means by which we proved ourselves
    they_to_us: str = ""  # and they
    came_back: bool = False
    management: str = ""
    acknowledged_after: float | None = None
    our_purposes: str = ""  # of our certificate, as in `SeenCertificate`
    certificate_refused: str = ""  # what they said when they refused our certificate


@dataclass(frozen=True, kw_only=True)
class SeenDomain:
    """Everything that was observed about a domain."""

    domain: str
    names: SeenNames
    endpoints: tuple[SeenEndpoint, ...] = ()
    without_sni: SeenEndpoint | None = None
    conversation: SeenConversation | None = None
    tolerance: tuple[SeenRequest, ...] = ()
    unfinished: str = ""  # what there was no time for

    @property
    def connected(self) -> tuple[SeenEndpoint, ...]:
        """The endpoints that accepted a connection."""
        return tuple(each for each in self.endpoints if each.reached is Reached.CONNECTED)
