# ruff: noqa: RUF009  options are fields, and `option` makes one
"""The operator's decisions, as frozen values: read by `gateway.config`, described field by field.

One class for each table of the configuration file, one field for each key, with the key's name. A field carries
everything that the reader, the documentation and `xmpp-gateway check` need: a one-line description, the unit, and the
valid values. Other packages get the values or the one class that concerns them, never all the settings.

Rules for peers go from the general to the particular: `any`, then `*.suffix`, the longest suffix last, then the exact
name. A particular rule inherits the keys that it does not set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NewType, TypeVar

from gateway.config.reading import Mistake
from gateway.filters.rules import FilterRule
from gateway.net.dns.system_names import Validating
from gateway.routing.delegations import Delegated
from gateway.routing.privileges import REQUESTS, Privileges
from gateway.storage.urls import is_postgresql
from gateway.xmpp.addresses import Domain

ListenEndpoint = NewType("ListenEndpoint", str)
"""A Twisted server endpoint string, such as `tcp:5269:interface=127.0.0.1`."""
ConnectEndpoint = NewType("ConnectEndpoint", str)
"""A Twisted client endpoint string, such as `tcp:10.0.0.5:5269`, or with `tls:` for TLS from the first byte."""
NameserverAddress = NewType("NameserverAddress", str)
"""The IP address of a nameserver, with a port if it is not 53."""
KeyPin = NewType("KeyPin", str)
"""The SHA-256 digest of a public key (subjectPublicKeyInfo) in hex, without `sha256:`."""
NetworkAddress = NewType("NetworkAddress", str)
"""A network of IP addresses, such as `10.0.0.0/8`; a single address is a network of one."""
ContactAddress = NewType("ContactAddress", str)
"""A contact URI, such as `mailto:xmpp@example.com`."""

Words = NewType("Words", tuple)  # type: ignore[type-arg]  # of texts; NewType takes no parameters
"""A text, or a list of texts."""

PROOFS = ("external", "dane", "posh", "dialback", "digest-md5")
BY_CERTIFICATE = ("external", "dane", "posh")
"""The means by which a domain may prove itself to us, and we to it."""
KEEP = ("no", "waiting", "all")
"""The stanzas to keep in the outbox: none; those that cannot be written at once; all, before they are sent."""


@dataclass(frozen=True)
class Secret:
    """A string that no log, traceback or status page shows by accident; `file` is its file, if
    it had one of its own.
    """

    text: str = field(repr=False)
    file: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Option:
    """The description of one key: one line of text, its unit, and the valid values."""

    description: str
    unit: str = ""
    at_least: float | None = None
    one_of: tuple[str, ...] = ()
    key: str = ""  # where the field's name is not that of the key, which may be a word of Python

    @property
    def least(self) -> str:
        """Return the least value as it is written in the file."""
        return f"{self.at_least:.2f}".rstrip("0").rstrip(".")

    @property
    def least_in_words(self) -> str:
        """Return the least value with its unit: `1 stanza`, `0.01 hours`."""
        unit = self.unit.removesuffix("s") if self.at_least == 1 else self.unit
        return f"{self.least} {unit}".rstrip()


def option(description: str, default: Any = MISSING, *, is_shown: bool = True, **bounds: Any) -> Any:
    """Return a field that is a key of the configuration file; without a default, the key is required.

    One that may have a password in it is not shown by accident: `is_shown` is false.
    """
    metadata = {"option": Option(description=description, **bounds)}
    if default == {}:
        return field(default_factory=dict, metadata=metadata, repr=is_shown)
    return field(default=default, metadata=metadata, repr=is_shown)


def options_of(kind: type) -> Iterator[tuple[Field[Any], Option]]:
    """Yield the fields of a settings class that are keys of the configuration file."""
    for each in fields(kind):
        if found := each.metadata.get("option"):
            yield each, found


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """`[gateway]`: the process as a whole."""

    state: Path = option("folder for secrets and databases; created if missing, readable by its owner alone")


@dataclass(frozen=True, kw_only=True)
class ListenSettings:
    """`[listen]`: Twisted server endpoint strings; nothing listens for a key that is left out."""

    server: tuple[ListenEndpoint, ...] = option("servers of other domains, STARTTLS", ())
    server_tls: tuple[ListenEndpoint, ...] = option("servers of other domains, TLS from the first byte (XEP-0368)", ())
    client: tuple[ListenEndpoint, ...] = option("clients of domains with accounts, STARTTLS", ())
    client_tls: tuple[ListenEndpoint, ...] = option("clients, TLS from the first byte (XEP-0368)", ())
    component: tuple[ListenEndpoint, ...] = option(
        "external components (XEP-0114), without TLS: internal networks only", ()
    )
    component_tls: tuple[ListenEndpoint, ...] = option(
        "external components, TLS from the first byte, with the certificate of the component's domain", ()
    )
    inside: tuple[ListenEndpoint, ...] = option("relayed servers only", ())
    http: tuple[ListenEndpoint, ...] = option(
        "/metrics, /healthz and the status page, without a login: internal networks only", ()
    )

    def opened(self) -> Iterator[tuple[str, ListenEndpoint]]:
        """Yield each endpoint with the name of its key."""
        for door in fields(self):
            for endpoint in getattr(self, door.name):
                yield door.name, endpoint


@dataclass(frozen=True, kw_only=True)
class TLSSettings:
    """`[tls]`: trusted authorities, and the protocol versions and ciphers in use."""

    authorities: Path | None = option("trusted authorities in PEM, a file or a folder; left out: the system's", None)
    fetch_crls: bool = option(
        "whether to fetch, over HTTP, the revocation lists that the certificates of other servers name", False
    )
    crls: Path | None = option("revocation lists in PEM, a file or a folder; left out: none", None)
    minimum: str = option("the oldest TLS version allowed", "1.2", one_of=("1.2", "1.3"))
    ciphers: str | None = option("TLS 1.2 ciphers, an OpenSSL list; left out: as BCP 195 recommends", None)


@dataclass(frozen=True, kw_only=True)
class PeerSettings:
    """`[peers.*]`: the settings for other domains."""

    allow: bool = option("whether to exchange anything with the domain at all", True)
    connect: ConnectEndpoint | None = option("where its server is; left out: as the DNS says", None)
    require_tls: bool = option("whether streams need TLS before any proof or stanza", True)
    authenticate: tuple[str, ...] = option(
        "accepted means of proof, in order of preference; others are refused",
        ("external", "dane", "dialback"),
        one_of=PROOFS,
    )
    require: str | None = option(
        "the one of these that every stream must prove; TLS is required then; left out: any of them is enough",
        None,
        one_of=BY_CERTIFICATE,
    )
    revocation: str = option(
        "what happens if a revocation list that a certificate names is not available: `soft`: the certificate counts;"
        " `hard`: it does not",
        "soft",
        one_of=("soft", "hard"),
    )
    pin: tuple[KeyPin, ...] = option(
        "the only keys that its servers may have, as `sha256:` and the digest that `explain` shows; TLS is required"
        " then; left out: any key",
        (),
    )
    digest_md5_secret: Secret | None = option("shared with the server of that one domain, for 'digest-md5'", None)
    direct_tls: bool = option("whether to try TLS from the first byte where the DNS offers it", True)
    stanza_bytes: int = option(
        "a longer stanza is skipped and answered with policy-violation; eight times as many bytes end the stream",
        524288,
        unit="bytes",
        at_least=10000,
    )
    assumed_stanza_bytes: int = option(
        "the longest stanza its server is assumed to accept, unless it announces a limit (XEP-0478); longer ones are"
        " bounced: policy-violation; 0: any length",
        524288,
        unit="bytes",
        at_least=0,
    )
    stanzas_per_second: float = option(
        "above this rate the gateway reads more slowly and drops nothing; 0: unlimited", 0, at_least=0
    )
    queue_stanzas: int = option(
        "stanzas waiting for a stream to open; further ones are bounced: resource-constraint",
        10000,
        unit="stanzas",
        at_least=1,
    )
    connect_seconds: float = option(
        "time to open a stream, shared among the servers of the domain; then waiting stanzas are bounced:"
        " remote-server-timeout or remote-server-not-found",
        30,
        unit="seconds",
        at_least=1,
    )
    idle_seconds: float = option("a stream idle for this long is closed; 0: never", 600, unit="seconds", at_least=0)
    keep: str = option(
        "which stanzas survive a crash: those that wait for the other server; or all, before they are sent",
        "waiting",
        one_of=KEEP,
    )
    keep_hours: float = option(
        "how long a stanza may wait; then it is bounced: remote-server-timeout", 24, unit="hours", at_least=0.01
    )
    bidi: bool = option("whether to send both ways on one stream where both sides support it (XEP-0288)", True)
    stream_management: bool = option("whether to acknowledge stanzas where both sides support it (XEP-0198)", True)


@dataclass(frozen=True, kw_only=True)
class PeerEntries:
    """All entries of `[peers]`; each is complete, including the values that it inherits."""

    any: PeerSettings = PeerSettings()
    entries: Mapping[str, PeerSettings] = field(default_factory=dict)
    given: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # what the file says, without inheritance

    @classmethod
    def inherit(cls, given: Mapping[str, Mapping[str, Any]]) -> PeerEntries:
        """Complete the entries for `any`, `*.suffix` and exact names, the more general first."""
        peers = cls(any=replace(PeerSettings(), **given.get("any", {})), given=MappingProxyType(dict(given)))
        for pattern in sorted(given.keys() - {"any"}, key=_generality):
            general = peers.for_domain(Domain(pattern))
            peers = replace(peers, entries={**peers.entries, pattern: replace(general, **given[pattern])})
        return replace(peers, entries=MappingProxyType(dict(peers.entries)))

    def for_domain(self, domain: Domain) -> PeerSettings:
        """Return the settings for a domain: its own entry, the one of the longest suffix, or `any`."""
        return next((self.entries[pattern] for pattern in _patterns(domain) if pattern in self.entries), self.any)

    def origins(self, domain: Domain) -> dict[str, str]:
        """Return for each key the entry that sets it for a domain: a domain, `*.suffix`, `any`, or `default`."""
        entries = [*_patterns(domain), "any"]
        return {
            each.name: next((entry for entry in entries if each.name in self.given.get(entry, ())), "default")
            for each, _ in options_of(PeerSettings)
        }


def _patterns(name: str) -> Iterator[str]:
    """Yield the possible names of an entry for that name, or for that `*.suffix`, the most particular first."""
    yield name
    parent = name.removeprefix("*.").partition(".")[2]
    while parent:
        yield f"*.{parent}"
        parent = parent.partition(".")[2]


def _generality(pattern: str) -> tuple[bool, int]:
    return not pattern.startswith("*."), pattern.count(".")


@dataclass(frozen=True, kw_only=True)
class DomainSettings:
    """`[domains."..."]`: a domain that this gateway answers for."""

    domain: Domain
    serve: str = option("im, component, relay, or the name of a service: of an entry point, or dotted")
    certificate: Path | None = option("certificate chain in PEM, the domain's own certificate first", None)
    key: Path | None = option("the private key; left out: in the same file as the certificate", None)
    admins: tuple[ContactAddress, ...] = option("contact URIs of the admins (XEP-0157)", ())
    contacts: Mapping[str, Any] = option(
        "further contact URIs, a list by kind: abuse, feedback, sales, security, status, support (XEP-0157)", {}
    )
    name: str = option("what it is called in service discovery", "")
    listed: bool | None = option(
        "whether domains above and beside it list it in service discovery; left out: if a component or service serves"
        " it",
        None,
    )
    items: Mapping[str, Any] = option("further services that it lists in service discovery, name by address", {})


@dataclass(frozen=True, kw_only=True)
class ImDomain(DomainSettings):
    """`serve = "im"`: accounts, rosters, presence."""


@dataclass(frozen=True, kw_only=True)
class ComponentDomain(DomainSettings):
    """`serve = "component"`: an external component attaches for it (XEP-0114)."""

    secret: Secret = option("shared with the component")
    connections: int = option(
        "connections that may be attached at once; each conversation stays with one of them", 1, at_least=1
    )
    keep: str = option(
        "which stanzas survive a crash: those that wait for the component; or all, before they are sent",
        "waiting",
        one_of=KEEP,
    )
    keep_hours: float = option(
        "how long a stanza may wait; then it is bounced: remote-server-timeout", 24, unit="hours", at_least=0.01
    )
    privileges: Mapping[Domain, Privileges] = field(default_factory=dict)
    delegations: Mapping[Domain, Delegated] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PrivilegeSettings:
    """`privileges."..."`: what a component may do for the accounts of one of our domains (XEP-0356)."""

    roster: str = option("which requests about rosters it may make", "none", one_of=REQUESTS)
    push: bool = option("whether it gets every change of a roster, if it may get rosters", True)
    message: str = option("whether it may send messages in the name of accounts", "none", one_of=("none", "outgoing"))
    presence: str = option(
        "whether it sees the presence of the accounts (managed_entity), or also that of their contacts (roster), for"
        " which it must be allowed to get rosters",
        "none",
        one_of=("none", "managed_entity", "roster"),
    )
    iq: Mapping[str, Any] = option(
        'which requests it may make in the name of accounts, by namespace: `"get"`, `"set"` or `"both"`', {}
    )


@dataclass(frozen=True, kw_only=True)
class DelegationSettings:
    """`delegations."..."`: what a component answers for one of our domains and its accounts (XEP-0355)."""

    namespaces: Mapping[str, Any] = option(
        "the namespaces of the requests, each with a list of the attributes that a request must have, such as"
        ' `["node"]`; with the list empty, all requests'
    )


@dataclass(frozen=True, kw_only=True)
class HandlerDomain(DomainSettings):
    """`serve` is the name of a service: one that comes with the gateway, an entry point of an installed package, or the
    dotted name of an ILocalHandler factory.
    """

    factory: Callable[..., Any]
    run: str = option(
        "where it runs in a cluster: at every node; or once, at one node, and at another one when that is gone",
        "everywhere",
        one_of=("everywhere", "once"),
    )
    options: Mapping[str, Any] = field(  # may hold secrets
        default_factory=dict, repr=False, metadata={"option": Option(description="keyword arguments of the factory")}
    )


@dataclass(frozen=True, kw_only=True)
class RelayDomain(DomainSettings):
    """`serve = "relay"`: a server behind us; its table may also hold keys of `[peers]`, for our side towards it."""

    peer: PeerSettings
    given: frozenset[str] = frozenset()  # the keys of `peer` that its own table sets


OfDomain = TypeVar("OfDomain", bound=DomainSettings)


@dataclass(frozen=True, kw_only=True)
class DNSSettings:
    """`[dns]`: where names are looked up; the hosts file comes before the nameservers."""

    nameservers: tuple[NameserverAddress, ...] | None = option(
        "nameservers, asked in this order; left out: the system's", None
    )
    validating: Validating = option(
        "whether the nameservers are trusted when they say that DNSSEC proves an answer; `auto`: those on loopback",
        Validating.AUTO,
    )
    hosts_file: Path = option("hosts file, in the format of hosts(5); `/dev/null`: none", Path("/etc/hosts"))
    refuse_networks: tuple[NetworkAddress, ...] = option(
        "networks that the DNS of other domains may not lead us to; a configured `connect` may", ()
    )
    allow_networks: tuple[NetworkAddress, ...] = option(
        "loopback and link-local networks that the DNS of other domains may still lead us to, such as 127.0.0.0/8",
        (),
    )


FILLING_SECONDS = 5.0  # the time that a sender may take to fill the system's own buffer: on Linux up to 4 MB


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`[limits]`: bounds on what anybody can make the gateway do; those for single peers are in `[peers]`."""

    negotiate_seconds: float = option("time from connection to negotiated stream", 30, unit="seconds", at_least=1)
    close_seconds: float = option(  # RFC 6120 §4.4
        "time to wait for the other side's closing tag after ours", 5, unit="seconds", at_least=0
    )
    stall_seconds: float = option(
        "a connection that reads nothing for this long is closed, and the stanzas that wait for it are bounced",
        60,
        unit="seconds",
        at_least=1,
    )
    streams: int = option(
        "streams in all; those that we open take at most three quarters, so that others can always connect;"
        " further ones are refused: resource-constraint",
        20000,
        at_least=1,
    )
    streams_per_address: int = option(
        "streams from one IP address that have proved nothing yet, and a tenth of those that have; further ones are"
        " refused: resource-constraint",
        100,
        at_least=1,
    )
    connections_per_minute: float = option(
        "connections that one IP address may open to us, and dialback keys that it may have us verify while it has"
        " proved nothing; further ones are refused: resource-constraint; 0: unlimited",
        600,
        at_least=0,
    )
    unauthenticated_streams: int = option("streams in all that have proved nothing yet", 1000, at_least=1)
    unauthenticated_stream_bytes: int = option(
        "one element on a stream that has proved nothing yet", 10000, unit="bytes", at_least=4096
    )
    login_failures: int = option(
        "wrong passwords from one IP address or for one account before further attempts must wait, each time twice as"
        " long, up to 5 minutes; earlier attempts get temporary-auth-failure; 0: unlimited",
        10,
        at_least=0,
    )
    client_stanza_bytes: int = option("one stanza of a client", 262144, unit="bytes", at_least=10000)
    component_stanza_bytes: int = option(
        "one stanza of a component; more than other servers accept is useful between components only",
        524288,
        unit="bytes",
        at_least=10000,
    )
    depth: int = option("nested elements, the stream not counted", 100, at_least=10)
    elements: int = option("elements in one stanza", 25000, at_least=100)
    attributes: int = option("attributes of one element", 1000, at_least=20)
    pairs_per_stream: int = option(
        "domain pairs that may be proved on one stream; further ones are refused: resource-constraint", 1000, at_least=1
    )
    verifications_per_stream: int = option(
        "dialback keys being verified at once for one stream; further ones are refused: resource-constraint",
        100,
        at_least=1,
    )
    verifications: int = option("dialback keys being verified at once for all streams", 1000, at_least=1)
    routes: int = option(
        "domain pairs with stanzas sent, waiting or recently failed; further pairs: resource-constraint",
        20000,
        at_least=1,
    )
    component_buffer_bytes: int = option(
        "written to a component but not yet read by it, before the gateway reads less from the senders",
        1048576,
        unit="bytes",
        at_least=65536,
    )
    queue_bytes: int = option(
        "all waiting stanzas together, each counted with 512 bytes more; further ones are bounced: resource-constraint."
        " Those from and to one other domain may take half of it",
        33554432,
        unit="bytes",
        at_least=1048576,
    )
    dns_records: int = option("records read from one DNS answer; the rest are ignored", 64, at_least=1)
    dns_answers: int = option("DNS answers in the cache", 4096, at_least=1)
    dns_questions: int = option("DNS queries waiting at once; further ones fail at once", 8192, at_least=1)
    remembered_domains: int = option(
        "other domains whose last attempts are remembered, and a quarter as many unproved names; when full, the"
        " oldest of the domain or the address that takes the most room is forgotten",
        2000,
        at_least=1,
    )
    remembered_attempts: int = option("attempts remembered for each domain", 10, at_least=1)
    history_bytes: int = option(
        "all remembered attempts together; when full, as for `remembered_domains`",
        33554432,
        unit="bytes",
        at_least=1048576,
    )
    log_lines_per_minute: int = option(
        "log lines that one IP address, or one domain with its subdomains, may cause; all together ten times as"
        " many; lines left out are counted; 0: unlimited",
        300,
        at_least=0,
    )

    @property
    def silence_seconds(self) -> float:
        """Return the seconds without an acknowledgement after which the system gives up a connection (`user_timeout`).

        The system's time begins as soon as the other side stops reading; ours begins only when the system's buffer is
        full, too. So the system has to wait longer, or it would cut a stalled connection before we do, without a
        reason.
        """
        return self.stall_seconds + FILLING_SECONDS


@dataclass(frozen=True, kw_only=True)
class StorageSettings:
    """`[storage]`: where accounts and their data are kept."""

    url: str = option(
        "sqlite:FILE, relative to the state folder; postgresql://USER@HOST/DATABASE, on a server; or memory:",
        "sqlite:gateway.db",
        is_shown=False,
    )
    file: Path | None = None  # only for sqlite

    @property
    def in_memory(self) -> bool:
        """Return whether everything is lost when the gateway stops."""
        return self.file is None and not is_postgresql(self.url)


@dataclass(frozen=True, kw_only=True)
class OutboxSettings:
    """`[outbox]`: where stanzas that wait are kept, so that they survive a crash; `keep` in `[peers]` says which."""

    url: str = option(
        "sqlite:FILE, relative to the state folder; postgresql://USER@HOST/DATABASE, on a server; or memory:",
        "sqlite:outbox.db",
        is_shown=False,
    )
    bytes: int = option(
        "everything kept; one sending domain may use as much as is still free; stanzas beyond: resource-constraint",
        1073741824,
        unit="bytes",
        at_least=1048576,
    )
    key_file: Path | None = option(
        "file with a key of 32 bytes that encrypts everything kept; left out: no encryption", None
    )
    file: Path | None = None  # only for sqlite

    @property
    def in_memory(self) -> bool:
        """Return whether everything is lost when the gateway stops."""
        return self.file is None and not is_postgresql(self.url)


@dataclass(frozen=True, kw_only=True)
class FilterSettings:
    """`[[filter]]`: a rule for what crosses the border; the first rule that holds decides."""

    name: str = option("its name in the log, the metrics and the commands; no two rules share one")
    when: Mapping[str, Any] = option("its conditions, all of which must hold; see below", {})
    then: str = option(
        "the decision: pass, drop, bounce:CONDITION, hold, mark:NAME, report, or the dotted name of an IFilter"
    )
    dry_run: bool = option("whether only to log and count what would have been decided", False)
    options: Mapping[str, Any] = option("keyword arguments of the IFilter", {})
    on_timeout: str = option(
        "what decides when the IFilter fails or has not answered within 2 seconds", "pass", one_of=("pass", "bounce")
    )


@dataclass(frozen=True, kw_only=True)
class WhenSettings:
    """`when`: the conditions of a rule, an inline table of `[[filter]]`."""

    direction: Words = option("in, out, inside (between two of our domains); left out: in and out", Words(()))
    from_: Words = option(
        "senders: domains, *.suffixes, bare JIDs, or list:NAME for a list below [lists]", Words(()), key="from"
    )
    to: Words = option("recipients, written in the same way", Words(()))
    kind: Words = option("message, presence, iq", Words(()))
    type: Words = option(
        "types of stanzas, such as chat, subscribe, set; `available` is presence without one", Words(())
    )
    payload: Words = option("children of the stanza: a namespace, or {namespace}element", Words(()))
    larger_than: int | None = option("whether the stanza is larger", None, unit="bytes", at_least=0)
    urls: bool | None = option("whether its text names a web address", None)
    stranger: bool | None = option(
        "whether the other side is not a contact of our account, and our user at this address has not written to it for"
        " 30 days",
        None,
    )
    rate: str | None = option("true beyond it: 30/minute, 10 per second per domain, 500/hour per pair", None)
    listed: Words = option("names of lists, one of which covers the sender", Words(()))
    language: Words = option(
        "languages that the stanza is marked with (xml:lang), such as `en`, which covers `en-GB`", Words(())
    )
    marked: Words = option("marks, one of which an earlier rule has set", Words(()))


@dataclass(frozen=True, kw_only=True)
class ListSettings:
    """`[lists.NAME]`: domains and people that rules ask for by `listed`, from a file or a real-time block list."""

    file: Path | None = option("a file with one entry a line: a domain, *.suffix, bare JID, or SHA-256 of one", None)
    rtbl: str | None = option("the publish-subscribe service of a real-time block list (XEP-0060)", None)
    node: str = option("the node of that service", "muc_bans_sha256")
    never: Words = option("domains and bare JIDs that the list does not cover, whatever its source says", Words(()))


@dataclass(frozen=True, kw_only=True)
class ClusterSettings:
    """`[cluster]`: this gateway as one of several nodes, with NATS between them; docs/cluster.md says how."""

    url: tuple[str, ...] = option("the NATS servers, as `nats://HOST:PORT`, or with `tls:`; any of them is enough")
    name: str = option("the name of the cluster, the same on all nodes", "gateway")
    node: str = option("the name of this node, different from all others; left out: the first label of the host's", "")
    secret: Secret = option("shared by all nodes: dialback keys are made from it; at least 32 characters")
    clients: str | None = option(
        "where clients reach this node, as HOST or HOST:PORT: other nodes send them there; needed if it has accounts",
        None,
    )
    user: str | None = option("user name for NATS; left out: none", None)
    password: Secret | None = option("its password", None)
    token: Secret | None = option("token for NATS, instead of a user name", None)
    authorities: Path | None = option(
        "trusted authorities for the certificates of NATS, in PEM; left out: the system's", None
    )
    certificate: Path | None = option("certificate and key in PEM with which this node proves itself to NATS", None)


@dataclass(frozen=True, kw_only=True)
class LogSettings:
    """`[log]`: what is logged, and how."""

    format: str = option("text: lines for people; json: one record on each line", "text", one_of=("text", "json"))
    level: str = option("the lowest level logged", "info", one_of=("debug", "info", "warn", "error", "critical"))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A whole configuration file, read and free of mistakes; `file` is its path."""

    file: Path
    gateway: GatewaySettings
    listen: ListenSettings = ListenSettings()
    tls: TLSSettings = TLSSettings()
    domains: Mapping[Domain, DomainSettings]
    peers: PeerEntries = PeerEntries()
    dns: DNSSettings = DNSSettings()
    limits: Limits = Limits()
    storage: StorageSettings = StorageSettings()
    outbox: OutboxSettings = OutboxSettings()
    filters: tuple[FilterRule, ...] = ()
    lists: Mapping[str, ListSettings] = field(default_factory=dict)
    cluster: ClusterSettings | None = None  # None: one process alone
    log: LogSettings = LogSettings()
    faults: tuple[Mistake, ...] = field(default=(), compare=False)  # certificates that cannot be used

    @property
    def http_ports(self) -> int:
        """The number of HTTP ports: ours, which a reload may open, and those of services that listen."""
        return 1 + sum("listen" in service.options for service in self.domains_of(HandlerDomain))

    def domains_of(self, kind: type[OfDomain]) -> list[OfDomain]:
        """Return the domains that are served in that way."""
        return [domain for domain in self.domains.values() if isinstance(domain, kind)]
