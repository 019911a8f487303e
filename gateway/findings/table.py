"""The findings: everything that a report on a server can say, each with its level, standard, side and remedy.

The set is closed. The terminal, the JSON and HTML reports, `check --world` and the manual's chapter on findings are all
made from this table, so a finding means the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Chapter(StrEnum):
    """The part of a report that a finding belongs to, in the order of a report."""

    NAMES = "names"
    CONNECTION = "connection"
    TLS = "TLS"
    CERTIFICATE = "certificate"
    NEGOTIATION = "negotiation"
    BOTH_WAYS = "both ways"
    TALK = "talk"
    TOLERANCE = "tolerance"


class Severity(StrEnum):
    """How much a finding matters to federation, worst first."""

    BROKEN = "broken"  # federation with most servers, or a part of them, fails
    FLAW = "flaw"  # against a standard, or works only as long as nothing else fails
    NOTE = "note"  # worth knowing; a choice
    GOOD = "good"


@dataclass(frozen=True, kw_only=True)
class FindingKind:
    """A row of the table.

    `expected` is what should be seen, in words; `side` says who can change it, as with verdicts; a `good` finding has
    neither side nor remedy.
    """

    chapter: Chapter
    level: Severity
    title: str
    expected: str = ""
    section: str = ""
    side: str = ""
    remedy: str = ""


class FindingId(StrEnum):
    """What a finding is called, in reports and in the manual."""

    # names
    NAMES_FOUND = "names-found"
    NO_SUCH_DOMAIN = "no-such-domain"
    DNS_SILENT = "dns-silent"
    DNS_BOGUS = "dns-bogus"
    NO_SERVICE = "no-service"
    NO_SRV = "no-srv"
    SRV_ALIAS = "srv-alias"
    SERVER_WITHOUT_ADDRESS = "server-without-address"
    NO_ADDRESS = "no-address"
    NO_IPV6 = "no-ipv6"
    NO_IPV4 = "no-ipv4"
    ANSWERS_DIFFER = "answers-differ"
    SIGNED = "signed"
    TLSA_UNSIGNED = "tlsa-unsigned"
    TLSA_UNAVAILABLE = "tlsa-unavailable"
    TLSA_UNUSABLE = "tlsa-unusable"
    # connection
    REACHABLE = "reachable"
    UNREACHABLE = "unreachable"
    SERVER_DEAD = "server-dead"
    IPV6_DEAD = "ipv6-dead"
    ADDRESS_DEAD = "address-dead"
    NO_ROUTE = "no-route"
    UNFINISHED = "unfinished"
    # TLS
    TLS_GOOD = "tls-good"
    NO_STARTTLS = "no-starttls"
    STARTTLS_OPTIONAL = "starttls-optional"
    TLS_FAILED = "tls-failed"
    TLS_OLD = "tls-old"
    TLS_WEAK = "tls-weak"
    NO_TLS_1_3 = "no-tls-1.3"
    NO_ALPN = "no-alpn"
    NEEDS_SNI = "needs-sni"
    # certificate
    CERTIFICATE_GOOD = "certificate-good"
    NO_CERTIFICATE = "no-certificate"
    EXPIRED = "certificate-expired"
    NOT_YET_VALID = "certificate-not-yet-valid"
    EXPIRES_SOON = "certificate-expires-soon"
    SELF_SIGNED = "certificate-self-signed"
    CHAIN_INCOMPLETE = "chain-incomplete"
    AUTHORITY_UNKNOWN = "authority-unknown"
    REVOKED = "certificate-revoked"
    WRONG_NAME = "certificate-wrong-name"
    WRONG_PURPOSE = "certificate-wrong-purpose"
    CERTIFICATE_REFUSED = "certificate-refused"
    SERVER_ONLY = "certificate-for-servers-only"
    KEYS_DIFFER = "keys-differ"
    TLSA_MATCHES = "tlsa-matches"
    TLSA_MISMATCH = "tlsa-mismatch"
    # negotiation
    STREAM_OPENED = "stream-opened"
    NOT_XMPP = "not-xmpp"
    HOST_UNKNOWN = "host-unknown"
    STREAM_REFUSED = "stream-refused"
    NEEDS_CERTIFICATE = "needs-certificate"
    WRONG_FROM = "header-from"
    NO_STREAM_ID = "no-stream-id"
    NO_VERSION = "no-version"
    NO_FEATURES = "no-features"
    NO_DIALBACK = "no-dialback"
    DIALBACK_HIDDEN = "dialback-not-advertised"
    NO_DIALBACK_ERRORS = "no-dialback-errors"
    DIALBACK_GOOD = "dialback-good"
    VERIFY_SILENT = "verify-unanswered"
    VERIFIES_ANYTHING = "verifies-anything"
    BELIEVES_ANYBODY = "believes-anybody"
    SASL_BEFORE_TLS = "sasl-before-tls"
    STARTTLS_AGAIN = "starttls-again"
    BIDI_OFFERED = "bidi-offered"
    NO_BIDI = "no-bidi"
    NO_MANAGEMENT = "no-acknowledgements"
    NOT_RESUMABLE = "not-resumable"
    RESUMABLE = "resumable"
    # both ways
    BOTH_WAYS = "both-ways"
    NOT_ASKED = "service-not-asked"
    NOT_PROVED = "not-let-in"
    NO_WAY_BACK = "no-way-back"
    WE_BY_DIALBACK = "we-prove-by-dialback"
    THEY_BY_DIALBACK = "they-prove-by-dialback"
    THEY_UNPROVED = "they-do-not-prove"
    SLOW_BACK = "slow-back"
    SERVER_ONLY_TAKEN = "certificate-for-servers-accepted"
    SERVER_ONLY_REFUSED = "certificate-for-servers-refused"
    # talk
    TALKS = "talks"
    IQ_UNANSWERED = "iq-unanswered"
    NO_PING = "no-ping"
    NO_DISCO = "no-disco"
    CLOCK_OFF = "clock-off"
    UNKNOWN_USER_SILENT = "unknown-user-unanswered"
    UNKNOWN_USER_WRONG = "unknown-user-wrong"
    UNKNOWN_REQUEST_SILENT = "unknown-request-unanswered"
    UNKNOWN_REQUEST_WRONG = "unknown-request-wrong"
    LARGE_REFUSED = "large-stanza-refused"
    LARGER_REFUSED = "stanza-of-64-kib-refused"
    NOT_ACKNOWLEDGED = "not-acknowledged"
    ACKNOWLEDGES = "acknowledges"
    SLOW = "slow-answers"
    # tolerance
    TOLERANT = "tolerant"
    NOT_CONFIRMED = "not-confirmed"
    ONLY_OLD_TLS = "tls-1.3-alone-refused"
    OLD_TLS_TAKEN = "old-tls-accepted"
    WHITESPACE_REFUSED = "whitespace-refused"
    RESTRICTED_XML_TAKEN = "restricted-xml-accepted"
    PAIRS_UNANSWERED = "many-pairs-unanswered"
    # our own domains, in `check --world`
    LEADS_ELSEWHERE = "leads-elsewhere"
    NO_CLIENT_SRV = "no-client-srv"
    CLIENTS_UNREACHABLE = "clients-unreachable"
    CAA_FORBIDS = "caa-forbids"
    NO_CAA = "no-caa"
    CAA_NAMED = "caa-names-issuer"

    @property
    def kind(self) -> FindingKind:
        """The row of the table."""
        return FINDINGS[self]


_THEIRS = "theirs"
_NETWORK = "theirs or the network's"
_RESOLVER = "the resolver's"

_N, _C, _T, _K, _G = Chapter.NAMES, Chapter.CONNECTION, Chapter.TLS, Chapter.CERTIFICATE, Chapter.NEGOTIATION
_BROKEN, _FLAW, _NOTE, _GOOD = Severity.BROKEN, Severity.FLAW, Severity.NOTE, Severity.GOOD

FINDINGS: dict[FindingId, FindingKind] = {
    # -- names -------------------------------------------------------------------------------------------------------
    FindingId.NAMES_FOUND: FindingKind(chapter=_N, level=_GOOD, title="the domain names its servers in SRV records"),
    FindingId.NO_SUCH_DOMAIN: FindingKind(
        chapter=_N,
        level=_BROKEN,
        title="the DNS knows no such domain",
        expected="SRV records at _xmpp-server._tcp, or an address record for the domain itself",
        section="RFC 6120 §3.2",
        side=_THEIRS,
        remedy="Check the spelling of the domain. If it is right, register it, or publish records for it.",
    ),
    FindingId.DNS_SILENT: FindingKind(
        chapter=_N,
        level=_BROKEN,
        title="the nameservers did not answer",
        expected="an answer, even one that says that there is nothing",
        section="RFC 1035 §7.2",
        side="the resolver's, or the domain's nameservers'",
        remedy="Query another domain with the same resolver. If that works, the nameservers of this domain are down or"
        " cannot be reached: its owner must check each of them (dig NS DOMAIN, then dig @NAMESERVER SRV"
        " _xmpp-server._tcp.DOMAIN). If it does not, the resolver of this machine is the problem.",
    ),
    FindingId.DNS_BOGUS: FindingKind(
        chapter=_N,
        level=_BROKEN,
        title="DNS answers are signed, and the signatures are wrong",
        expected="valid signatures, or none at all",
        section="RFC 4035 §5",
        side="theirs, or somebody tampers with the DNS",
        remedy="Servers that check signatures cannot reach the domain. Compare with another network (delv SRV"
        " _xmpp-server._tcp.DOMAIN). The owner must sign the zone again; often a key was changed and the parent zone"
        " was not updated, or the signatures have expired.",
    ),
    FindingId.NO_SERVICE: FindingKind(
        chapter=_N,
        level=_BROKEN,
        title="the domain says that it has no XMPP server",
        expected="SRV records that name a server",
        section="RFC 6120 §3.2.1, RFC 2782",
        side=_THEIRS,
        remedy="An SRV record with the target `.` says so on purpose. If there is a server, the owner must replace"
        " that record.",
    ),
    FindingId.NO_SRV: FindingKind(
        chapter=_N,
        level=_NOTE,
        title="there are no SRV records, so the domain's own address and port 5269 are used",
        expected="an SRV record at _xmpp-server._tcp",
        section="RFC 6120 §3.2.2",
        side=_THEIRS,
        remedy="It works as long as the XMPP server runs on the machine that the domain itself points to. With SRV"
        " records it can move, and direct TLS can be offered (_xmpps-server._tcp).",
    ),
    FindingId.SRV_ALIAS: FindingKind(
        chapter=_N,
        level=_FLAW,
        title="an SRV record names an alias (CNAME)",
        expected="the name of a host that has address records itself",
        section="RFC 2782, Target",
        side=_THEIRS,
        remedy="Most servers follow the alias, some do not, and DANE fails with some. Write the name to which the"
        " alias points into the SRV record.",
    ),
    FindingId.SERVER_WITHOUT_ADDRESS: FindingKind(
        chapter=_N,
        level=_FLAW,
        title="one of the servers has no address",
        expected="an A or AAAA record for each server that an SRV record names",
        section="RFC 2782, Target",
        side=_THEIRS,
        remedy="Remove the SRV record, or publish an address for the name. Until then, other servers lose time on it.",
    ),
    FindingId.NO_ADDRESS: FindingKind(
        chapter=_N,
        level=_BROKEN,
        title="no server of the domain has an address",
        expected="an A or AAAA record for each server",
        section="RFC 6120 §3.2.1",
        side=_THEIRS,
        remedy="Publish address records for the names in the SRV records, or correct those names. If `connect` names"
        " the server, correct that.",
    ),
    FindingId.NO_IPV6: FindingKind(
        chapter=_N,
        level=_NOTE,
        title="no server has an IPv6 address",
        expected="AAAA records besides the A records",
        section="RFC 6540",
        side=_THEIRS,
        remedy="Servers that have only IPv6 cannot reach the domain. Publish AAAA records once the port is open there.",
    ),
    FindingId.NO_IPV4: FindingKind(
        chapter=_N,
        level=_NOTE,
        title="no server has an IPv4 address",
        expected="A records besides the AAAA records",
        section="RFC 6120 §3.2.1",
        side=_THEIRS,
        remedy="Many servers have only IPv4 and cannot reach the domain. Publish A records, or accept that.",
    ),
    FindingId.ANSWERS_DIFFER: FindingKind(
        chapter=_N,
        level=_FLAW,
        title="nameservers give different answers",
        expected="the same records from every nameserver",
        section="RFC 1034 §4.3.5",
        side="theirs or the resolver's",
        remedy="Shortly after a change this is normal until the time to live is over. If it stays, one of the domain's"
        " nameservers does not get the new zone, or one resolver answers from its own zone (split horizon).",
    ),
    FindingId.SIGNED: FindingKind(chapter=_N, level=_GOOD, title="DNSSEC protects the records of the servers"),
    FindingId.TLSA_UNSIGNED: FindingKind(
        chapter=_N,
        level=_FLAW,
        title="there are TLSA records, but DNSSEC does not prove them",
        expected="signed SRV, address and TLSA records",
        section="RFC 7673 §3, RFC 7671 §2.2",
        side=_THEIRS,
        remedy="Everybody ignores such records. Sign the zone of the domain and that of its servers, or remove the TLSA"
        " records.",
    ),
    FindingId.TLSA_UNAVAILABLE: FindingKind(
        chapter=_N,
        level=_FLAW,
        title="the TLSA records of a server cannot be obtained",
        expected="an answer, even one that says that there are none",
        section="RFC 7672 §2.1.1",
        side=_THEIRS,
        remedy="Servers that use DANE leave such a server out, because an attacker may have suppressed the answer. The"
        " nameservers of its zone must answer questions for TLSA records.",
    ),
    FindingId.TLSA_UNUSABLE: FindingKind(
        chapter=_N,
        level=_FLAW,
        title="none of the TLSA records of a server can be used",
        expected="records of a known usage, selector and matching type, with a digest of the right length",
        section="RFC 7671 §4.1",
        side=_THEIRS,
        remedy="Publish `3 1 1` with the SHA-256 digest of the server's public key, or remove the records.",
    ),
    # -- connection --------------------------------------------------------------------------------------------------
    FindingId.REACHABLE: FindingKind(chapter=_C, level=_GOOD, title="every address accepts connections"),
    FindingId.UNREACHABLE: FindingKind(
        chapter=_C,
        level=_BROKEN,
        title="no address of the domain accepts a connection",
        expected="an XMPP server on the ports that the DNS names",
        section="RFC 6120 §3.2",
        side=_NETWORK,
        remedy="If an address refuses, the server is not running or listens on another port. If an address is silent, a"
        " firewall drops the packets, or the machine is off. Try from another network before asking its owner.",
    ),
    FindingId.SERVER_DEAD: FindingKind(
        chapter=_C,
        level=_FLAW,
        title="one of the servers accepts no connection",
        expected="a server that answers for every SRV record",
        section="RFC 2782, Usage rules",
        side=_NETWORK,
        remedy="Others reach the domain by its other servers, and lose time on this one. Start it, open its port, or"
        " remove its SRV record.",
    ),
    FindingId.IPV6_DEAD: FindingKind(
        chapter=_C,
        level=_FLAW,
        title="a server can be reached by IPv4, but not by the IPv6 address that it publishes",
        expected="the same service on every published address",
        section="RFC 8305 §1",
        side=_NETWORK,
        remedy="Let the server listen on IPv6 too and open the port in the firewall, which often has its own rules"
        " for IPv6; or remove the AAAA record. Servers that have only IPv6 cannot reach the domain until then.",
    ),
    FindingId.ADDRESS_DEAD: FindingKind(
        chapter=_C,
        level=_FLAW,
        title="one address of a server accepts no connection",
        expected="the same service on every published address",
        section="RFC 8305 §1",
        side=_NETWORK,
        remedy="Start the server on that address and open its port, or remove the address from the DNS.",
    ),
    FindingId.NO_ROUTE: FindingKind(
        chapter=_C,
        level=_NOTE,
        title="this machine has no route to an address, so the address was not examined",
        expected="a route to the address",
        section="",
        side="ours",
        remedy="Usually this machine has no IPv6. Run the report from a machine that has it.",
    ),
    FindingId.UNFINISHED: FindingKind(
        chapter=_C,
        level=_NOTE,
        title="not everything was examined",
        expected="an answer to everything within 60 s and 12 connections",
        section="",
        side=_THEIRS,
        remedy="The report names what is missing. The usual causes are a server that answers slowly, or very many"
        " addresses. An address on loopback is tried only if [dns] allow_networks allows it, or if connect in"
        ' [peers."DOMAIN"] names it.',
    ),
    # -- TLS ---------------------------------------------------------------------------------------------------------
    FindingId.TLS_GOOD: FindingKind(chapter=_T, level=_GOOD, title="TLS works on every address that answers"),
    FindingId.NO_STARTTLS: FindingKind(
        chapter=_T,
        level=_BROKEN,
        title="the server does not offer TLS",
        expected="<starttls/> among the stream features",
        section="RFC 6120 §5.3.1, RFC 7590 §3.1",
        side=_THEIRS,
        remedy="Nearly every server requires TLS. Install a certificate for the domain and turn TLS on for servers; in"
        " many servers a certificate that cannot be read turns it off silently.",
    ),
    FindingId.STARTTLS_OPTIONAL: FindingKind(
        chapter=_T,
        level=_NOTE,
        title="the server offers TLS but does not require it",
        expected="<required/> inside <starttls/>",
        section="RFC 6120 §5.3.1, RFC 7590 §3.1",
        side=_THEIRS,
        remedy="Stanzas with servers that have no TLS can be read in transit. Require TLS between servers, unless such"
        " a peer must be reached.",
    ),
    FindingId.TLS_FAILED: FindingKind(
        chapter=_T,
        level=_BROKEN,
        title="the TLS handshake fails",
        expected="a handshake with TLS 1.2 or newer",
        section="RFC 6120 §5.4.3, XEP-0368 §3",
        side=_THEIRS,
        remedy="Usually the server has no certificate for the domain on that port, or something else listens there:"
        " a port that _xmpps-server._tcp names must speak TLS from the first byte, any other must not.",
    ),
    FindingId.TLS_OLD: FindingKind(
        chapter=_T,
        level=_BROKEN,
        title="the server supports no version of TLS newer than 1.1",
        expected="TLS 1.2 and 1.3",
        section="RFC 8996, RFC 9325 §3.1.1",
        side=_THEIRS,
        remedy="Almost no server accepts such versions. Update the server's TLS library, or allow newer"
        " versions in its configuration.",
    ),
    FindingId.TLS_WEAK: FindingKind(
        chapter=_T,
        level=_FLAW,
        title="the server chooses a weak cipher",
        expected="forward secrecy and authenticated encryption (ECDHE with AES-GCM or ChaCha20)",
        section="RFC 9325 §4.1, §4.2",
        side=_THEIRS,
        remedy="Use the cipher list that the server's manual recommends now, or leave the setting out.",
    ),
    FindingId.NO_TLS_1_3: FindingKind(
        chapter=_T,
        level=_NOTE,
        title="the server does not support TLS 1.3",
        expected="TLS 1.3",
        section="RFC 9325 §3.1.1",
        side=_THEIRS,
        remedy="TLS 1.2 is enough today. An update of the server's TLS library usually brings TLS 1.3.",
    ),
    FindingId.NO_ALPN: FindingKind(
        chapter=_T,
        level=_NOTE,
        title="with direct TLS, the server does not select the protocol xmpp-server (ALPN)",
        expected="the protocol xmpp-server",
        section="XEP-0368 §3",
        side=_THEIRS,
        remedy="It works. ALPN matters where one port serves several protocols.",
    ),
    FindingId.NEEDS_SNI: FindingKind(
        chapter=_T,
        level=_NOTE,
        title="the server shows its certificate for the domain only if the handshake names the domain (SNI)",
        expected="the same certificate without SNI",
        section="RFC 6066 §3, RFC 7590 §3.2",
        side=_THEIRS,
        remedy="Some old servers do not send SNI with STARTTLS, and see the wrong certificate. Make the certificate of"
        " the most important domain the default one.",
    ),
    # -- certificate -------------------------------------------------------------------------------------------------
    FindingId.CERTIFICATE_GOOD: FindingKind(
        chapter=_K, level=_GOOD, title="the certificate is trusted here and names the domain"
    ),
    FindingId.NO_CERTIFICATE: FindingKind(
        chapter=_K,
        level=_BROKEN,
        title="the server presents no certificate that can be read",
        expected="a certificate for the domain",
        section="RFC 6120 §13.7.1",
        side=_THEIRS,
        remedy="Install a certificate for the domain, and reload the server.",
    ),
    FindingId.EXPIRED: FindingKind(
        chapter=_K,
        level=_BROKEN,
        title="the certificate, or another one in its chain, has expired",
        expected="a certificate that is valid today",
        section="RFC 6120 §13.7.2, RFC 5280 §6.1.3",
        side=_THEIRS,
        remedy="Renew the certificate and reload the server. If it was renewed already, the server still uses the old"
        " file: let the renewal reload it.",
    ),
    FindingId.NOT_YET_VALID: FindingKind(
        chapter=_K,
        level=_BROKEN,
        title="the certificate is not valid yet",
        expected="a certificate that is valid today",
        section="RFC 6120 §13.7.2, RFC 5280 §6.1.3",
        side="theirs, or the clock of this machine",
        remedy="Compare the clock of this machine with another one. If it is right, wait until that day, or install"
        " another certificate.",
    ),
    FindingId.EXPIRES_SOON: FindingKind(
        chapter=_K,
        level=_NOTE,
        title="the certificate expires within 14 days",
        expected="more than 14 days left",
        section="RFC 5280 §4.1.2.5",
        side=_THEIRS,
        remedy="If it is renewed automatically, check that this still works, and that the server is reloaded"
        " afterwards.",
    ),
    FindingId.SELF_SIGNED: FindingKind(
        chapter=_K,
        level=_BROKEN,
        title="the certificate is self-signed",
        expected="a certificate from an authority, or TLSA records that name it (DANE)",
        section="RFC 6120 §13.7.2",
        side=_THEIRS,
        remedy="Get a certificate from a public authority, such as Let's Encrypt. Servers that use dialback accept the"
        " domain even so; most others do not.",
    ),
    FindingId.CHAIN_INCOMPLETE: FindingKind(
        chapter=_K,
        level=_BROKEN,
        title="the chain of the certificate is incomplete",
        expected="the certificate, followed by every intermediate one up to an authority",
        section="RFC 8446 §4.4.2, RFC 6120 §13.7.2",
        side=_THEIRS,
        remedy="Install the file with the whole chain (certbot calls it fullchain.pem) instead of the certificate"
        " alone. Browsers fetch what is missing; servers do not. If the issuer is a private authority, only those who"
        " trust it accept the certificate.",
    ),
    FindingId.AUTHORITY_UNKNOWN: FindingKind(
        chapter=_K,
        level=_BROKEN,
        title="the certificate comes from an authority that is not trusted here",
        expected="a certificate from an authority that most systems trust",
        section="RFC 6120 §13.7.2",
        side="theirs, unless you expect to trust that authority",
        remedy="Get a certificate from a public authority. If the authority is one of yours, name it in [tls]"
        " authorities and run the report with --config.",
    ),
    FindingId.REVOKED: FindingKind(
        chapter=_K,
        level=_BROKEN,
        title="the certificate was revoked by its authority",
        expected="a certificate that is not revoked",
        section="RFC 6120 §13.7.2, RFC 5280 §6.3",
        side=_THEIRS,
        remedy="Get a new certificate with a new key. If the owner did not ask for the revocation, somebody else may"
        " have the key.",
    ),
    FindingId.WRONG_NAME: FindingKind(
        chapter=_K,
        level=_BROKEN,
        title="the certificate does not name the domain",
        expected="the domain itself in the certificate, not only the name of the server",
        section="RFC 6120 §13.7.1.2, RFC 9525 §6",
        side=_THEIRS,
        remedy="Get a certificate that has exactly the domain of the addresses among its names (subjectAltName), and"
        " configure it for that domain.",
    ),
    FindingId.WRONG_PURPOSE: FindingKind(
        chapter=_K,
        level=_BROKEN,
        title="the certificate is not meant for servers",
        expected="extendedKeyUsage with serverAuth, or without that extension",
        section="RFC 5280 §4.2.1.12",
        side=_THEIRS,
        remedy="Get a certificate for servers (serverAuth).",
    ),
    FindingId.CERTIFICATE_REFUSED: FindingKind(
        chapter=_K,
        level=_BROKEN,
        title="the certificate cannot be accepted",
        expected="a certificate that RFC 5280 allows, with a key and digest that are strong enough",
        section="RFC 6120 §13.7.2, RFC 9325 §4.1",
        side=_THEIRS,
        remedy="The observation names the rule. Get another certificate: RSA with 2048 bits or more or P-256, signed"
        " with SHA-256.",
    ),
    FindingId.SERVER_ONLY: FindingKind(
        chapter=_K,
        level=_NOTE,
        title="the certificate is for the server side of TLS only",
        expected="both purposes, or peers that do not ask for clientAuth",
        section="RFC 5280 §4.2.1.12",
        side="nobody's: public authorities issue no others now",
        remedy="When this server connects to others, some old ones do not accept such a certificate as proof, and fall"
        " back to dialback. Nothing can be done here; those servers need an update.",
    ),
    FindingId.KEYS_DIFFER: FindingKind(
        chapter=_K,
        level=_NOTE,
        title="the servers show different keys",
        expected="the same certificate everywhere, or a reason for several",
        section="",
        side=_THEIRS,
        remedy="This is fine if each machine has its own key. If a certificate was renewed, one of them still has the"
        " old one. Peers that remember keys will notice.",
    ),
    FindingId.TLSA_MATCHES: FindingKind(chapter=_K, level=_GOOD, title="a TLSA record matches the certificate (DANE)"),
    FindingId.TLSA_MISMATCH: FindingKind(
        chapter=_K,
        level=_BROKEN,
        title="no TLSA record matches the certificate (DANE)",
        expected="a certificate that one of the TLSA records matches",
        section="RFC 7673 §4, RFC 7671 §5",
        side="theirs, or somebody intercepts connections",
        remedy="Servers that use DANE refuse this one, even if an authority has signed it. If the owner changed the key"
        " but not the records: publish a record for the new key now. Next time, publish it beside the old one and wait"
        " for the time to live before the key is changed.",
    ),
    # -- negotiation -------------------------------------------------------------------------------------------------
    FindingId.STREAM_OPENED: FindingKind(chapter=_G, level=_GOOD, title="the server opens a stream for the domain"),
    FindingId.NOT_XMPP: FindingKind(
        chapter=_G,
        level=_BROKEN,
        title="what answers there does not speak XMPP as servers do",
        expected="a stream header with the content namespace jabber:server",
        section="RFC 6120 §4.7, §4.8",
        side=_THEIRS,
        remedy="Another program listens on that port, or it is the port for clients. Correct the port in the SRV"
        " record, or the server's configuration.",
    ),
    FindingId.HOST_UNKNOWN: FindingKind(
        chapter=_G,
        level=_BROKEN,
        title="the server says that it does not serve the domain",
        expected="a stream for the domain",
        section="RFC 6120 §4.9.3.6",
        side=_THEIRS,
        remedy="The DNS leads to a server that has no such domain: add the domain there, or let the SRV records lead to"
        " the right one.",
    ),
    FindingId.STREAM_REFUSED: FindingKind(
        chapter=_G,
        level=_FLAW,
        title="the server ends the stream with an error",
        expected="stream features",
        section="RFC 6120 §4.9",
        side="theirs, or a rule against strangers",
        remedy="The observation shows the error. If it is a rule against unknown domains, nothing is wrong; run the"
        " report with --config to speak as a domain of yours.",
    ),
    FindingId.NEEDS_CERTIFICATE: FindingKind(
        chapter=_G,
        level=_NOTE,
        title="the server talks only to servers that prove themselves by a certificate",
        expected="a choice of its owner",
        section="RFC 6120 §13.7.2, XEP-0178",
        side="nobody's",
        remedy="Servers that prove themselves by dialback alone cannot reach it. Get a certificate from a public"
        " authority for your domain.",
    ),
    FindingId.WRONG_FROM: FindingKind(
        chapter=_G,
        level=_FLAW,
        title="the server's stream header names another domain than the one that was asked for",
        expected="the domain in the 'from' of the stream header",
        section="RFC 6120 §4.7.1",
        side=_THEIRS,
        remedy="Strict servers end the stream. Correct the server's configuration of virtual hosts.",
    ),
    FindingId.NO_STREAM_ID: FindingKind(
        chapter=_G,
        level=_FLAW,
        title="the server's stream header has no 'id'",
        expected="an unpredictable 'id' in the stream header",
        section="RFC 6120 §4.7.3, XEP-0220 §2.1.1",
        side=_THEIRS,
        remedy="Dialback is impossible without it. It is a bug in the server's program: report it to its authors.",
    ),
    FindingId.NO_VERSION: FindingKind(
        chapter=_G,
        level=_FLAW,
        title="the server's stream header has no version, so it supports no stream features",
        expected="version='1.0'",
        section="RFC 6120 §4.7.5",
        side=_THEIRS,
        remedy="Without stream features there is no STARTTLS. The program is from before 2004: replace it.",
    ),
    FindingId.NO_FEATURES: FindingKind(
        chapter=_G,
        level=_BROKEN,
        title="the server sends a header and then nothing",
        expected="stream features after the header",
        section="RFC 6120 §4.3.2",
        side=_THEIRS,
        remedy="No stanza can pass on such a stream. The server hangs or is overloaded, or something in between drops"
        " its answers; its log says more.",
    ),
    FindingId.NO_DIALBACK: FindingKind(
        chapter=_G,
        level=_NOTE,
        title="the server does not use dialback",
        expected="a choice of its owner",
        section="XEP-0220 §2.4",
        side=_THEIRS,
        remedy="Only servers whose certificates it trusts can write to it, and servers without a certificate it trusts"
        " are refused. To let the others in, turn dialback on.",
    ),
    FindingId.DIALBACK_HIDDEN: FindingKind(
        chapter=_G,
        level=_NOTE,
        title="the server answers dialback but does not advertise it",
        expected="<dialback/> among the stream features",
        section="XEP-0220 §2.4.2",
        side=_THEIRS,
        remedy="Strict servers do not use what is not advertised. Update the server's program.",
    ),
    FindingId.NO_DIALBACK_ERRORS: FindingKind(
        chapter=_G,
        level=_NOTE,
        title="the server does not advertise dialback errors",
        expected="<errors/> inside <dialback/>",
        section="XEP-0220 §2.4.2, §2.5",
        side=_THEIRS,
        remedy="When dialback fails for one domain there, the stream ends for all domains on it. Update the server's"
        " program.",
    ),
    FindingId.DIALBACK_GOOD: FindingKind(
        chapter=_G, level=_GOOD, title="the server rejects a dialback key that it did not make"
    ),
    FindingId.VERIFY_SILENT: FindingKind(
        chapter=_G,
        level=_FLAW,
        title="the server does not answer a question about a dialback key",
        expected="type='invalid' for a key that it did not make",
        section="XEP-0220 §2.2.2",
        side=_THEIRS,
        remedy="Where its certificate is not trusted, the domain cannot prove itself. If dialback is turned off on"
        " purpose, it should not be advertised.",
    ),
    FindingId.VERIFIES_ANYTHING: FindingKind(
        chapter=_G,
        level=_BROKEN,
        title="the server confirms a made-up dialback key",
        expected="type='invalid'",
        section="XEP-0220 §2.2.2, §3",
        side=_THEIRS,
        remedy="Anybody can speak in the name of the domain. Turn dialback off at once, and report the bug to the"
        " authors of the program.",
    ),
    FindingId.BELIEVES_ANYBODY: FindingKind(
        chapter=_G,
        level=_BROKEN,
        title="the server accepts a domain that does not exist",
        expected="an error or type='invalid'",
        section="XEP-0220 §2.2.1, §3",
        side=_THEIRS,
        remedy="Anybody can write to it in any name. It must check dialback keys with the server that the DNS names.",
    ),
    FindingId.SASL_BEFORE_TLS: FindingKind(
        chapter=_G,
        level=_FLAW,
        title="the server requires TLS, and offers SASL before TLS has started",
        expected="TLS first, then SASL",
        section="RFC 6120 §5.3.4",
        side=_THEIRS,
        remedy="What is offered before TLS can be changed in transit, and a server that tries it fails. It is a bug in"
        " the server's program.",
    ),
    FindingId.STARTTLS_AGAIN: FindingKind(
        chapter=_G,
        level=_FLAW,
        title="the server offers STARTTLS again after TLS has started",
        expected="no STARTTLS among the features under TLS",
        section="RFC 6120 §5.4.3.3",
        side=_THEIRS,
        remedy="Some servers try it again, and the stream fails. It is a bug in the server's program, or in a proxy in"
        " front of it that ends TLS.",
    ),
    FindingId.BIDI_OFFERED: FindingKind(
        chapter=_G, level=_GOOD, title="the server offers one stream for both directions (bidi)"
    ),
    FindingId.NO_BIDI: FindingKind(
        chapter=_G,
        level=_NOTE,
        title="the server needs a stream for each direction: it does not offer bidi",
        expected="a choice of its owner",
        section="XEP-0288 §2",
        side=_THEIRS,
        remedy="Its answers need a connection back, which fails where only one side can be reached. Load its module for"
        " bidirectional streams.",
    ),
    FindingId.NO_MANAGEMENT: FindingKind(
        chapter=_G,
        level=_NOTE,
        title="the server does not acknowledge stanzas (stream management)",
        expected="stream management among the features of an established stream",
        section="XEP-0198 §2",
        side=_THEIRS,
        remedy="What is on its way when the connection breaks can be lost. Load its module for stream management, also"
        " for streams between servers.",
    ),
    FindingId.NOT_RESUMABLE: FindingKind(
        chapter=_G,
        level=_NOTE,
        title="the server acknowledges stanzas, but a broken stream cannot be resumed",
        expected="resume='true' in <enabled/>",
        section="XEP-0198 §5",
        side=_THEIRS,
        remedy="What was not acknowledged when a connection breaks is sent again, and some of it may arrive twice."
        " Allow resumption in its module for stream management.",
    ),
    FindingId.RESUMABLE: FindingKind(
        chapter=_G, level=_GOOD, title="the server acknowledges stanzas, and a broken stream can be resumed"
    ),
    # -- both ways ---------------------------------------------------------------------------------------------------
    FindingId.BOTH_WAYS: FindingKind(
        chapter=Chapter.BOTH_WAYS, level=_GOOD, title="stanzas pass both ways, and each side has proved itself"
    ),
    FindingId.NOT_ASKED: FindingKind(
        chapter=Chapter.BOTH_WAYS,
        level=_NOTE,
        title="the running service could not be asked to speak with the domain",
        expected="a running service with at least one domain",
        section="",
        side="ours",
        remedy="Start the service and run the report again as its user: only the service can hear what comes back.",
    ),
    FindingId.NOT_PROVED: FindingKind(
        chapter=Chapter.BOTH_WAYS,
        level=_BROKEN,
        title="no stream from our domain to theirs could be established",
        expected="a stream on which our domain is proved",
        section="RFC 6120 §3, XEP-0220",
        side="theirs or ours",
        remedy="xmpp-gateway explain DOMAIN shows the attempt step by step, with its verdict and remedy.",
    ),
    FindingId.NO_WAY_BACK: FindingKind(
        chapter=Chapter.BOTH_WAYS,
        level=_BROKEN,
        title="they accept our stanzas, but nothing comes back",
        expected="a stream from them, or answers on ours (XEP-0288)",
        section="RFC 6120 §10.4, XEP-0288",
        side="ours or theirs",
        remedy="If the domain simply does not answer requests, that is against RFC 6120 §8.2.3. Otherwise they cannot"
        " reach us: check with xmpp-gateway check --world that our records lead here and that our port"
        " is open. If all is well, their firewall or their rules keep their server from connecting out.",
    ),
    FindingId.WE_BY_DIALBACK: FindingKind(
        chapter=Chapter.BOTH_WAYS,
        level=_NOTE,
        title="we prove ourselves to them by dialback only",
        expected="proof by our certificate (SASL EXTERNAL)",
        section="XEP-0178, XEP-0220 §1",
        side="ours or theirs",
        remedy="Either our certificate is not one that they trust (xmpp-gateway check --world), or they do not offer"
        " EXTERNAL. Dialback depends on the DNS alone.",
    ),
    FindingId.THEY_BY_DIALBACK: FindingKind(
        chapter=Chapter.BOTH_WAYS,
        level=_NOTE,
        title="they prove themselves to us by dialback only",
        expected="proof by their certificate (SASL EXTERNAL)",
        section="XEP-0178, XEP-0220 §1",
        side=_THEIRS,
        remedy="The chapter on their certificate says what it lacks. Dialback depends on the DNS alone.",
    ),
    FindingId.THEY_UNPROVED: FindingKind(
        chapter=Chapter.BOTH_WAYS,
        level=_FLAW,
        title="on our stream to them, they have not proved who they are",
        expected="a certificate that proves the domain",
        section="RFC 6120 §13.7.2",
        side=_THEIRS,
        remedy="We deliver even so, because [peers] authenticate lists dialback. The chapter on their certificate says"
        " what it lacks.",
    ),
    FindingId.SLOW_BACK: FindingKind(
        chapter=Chapter.BOTH_WAYS,
        level=_NOTE,
        title="the first answer took more than 10 s",
        expected="an answer within a few seconds",
        section="",
        side=_THEIRS,
        remedy="Their server was opening its stream to us. Slow DNS or an address that does not answer are the usual"
        " causes: see our own records with xmpp-gateway check --world.",
    ),
    FindingId.SERVER_ONLY_TAKEN: FindingKind(
        chapter=Chapter.BOTH_WAYS, level=_GOOD, title="they accept our certificate, although it is for servers only"
    ),
    FindingId.SERVER_ONLY_REFUSED: FindingKind(
        chapter=Chapter.BOTH_WAYS,
        level=_FLAW,
        title="they refuse our certificate because it is for servers only",
        expected="a certificate of any purpose: public authorities no longer issue those for the client side of TLS",
        section="RFC 6120 §13.7.1",
        side=_THEIRS,
        remedy="Such a server can verify most others by dialback only. It must ignore the purpose of other servers'"
        " certificates (extendedKeyUsage): update its program.",
    ),
    # -- talk --------------------------------------------------------------------------------------------------------
    FindingId.TALKS: FindingKind(chapter=Chapter.TALK, level=_GOOD, title="requests are answered as the RFCs say"),
    FindingId.IQ_UNANSWERED: FindingKind(
        chapter=Chapter.TALK,
        level=_BROKEN,
        title="a request to the domain is not answered",
        expected="a result or an error to every iq",
        section="RFC 6120 §8.2.3",
        side=_THEIRS,
        remedy="Programs that wait for the answer hang. A module or a rule of the server drops requests; it must answer"
        " them with an error.",
    ),
    FindingId.NO_PING: FindingKind(
        chapter=Chapter.TALK,
        level=_NOTE,
        title="the server does not support pings",
        expected="a result",
        section="XEP-0199 §4.3",
        side=_THEIRS,
        remedy="Its error shows that it is up, which is enough. Load its module for pings.",
    ),
    FindingId.NO_DISCO: FindingKind(
        chapter=Chapter.TALK,
        level=_NOTE,
        title="the server does not say what it can do (service discovery)",
        expected="a result to disco#info",
        section="XEP-0030 §3",
        side=_THEIRS,
        remedy="Clients find no services there. Load its module for service discovery.",
    ),
    FindingId.CLOCK_OFF: FindingKind(
        chapter=Chapter.TALK,
        level=_FLAW,
        title="the clock of the server is off by more than a minute",
        expected="a clock that is set by NTP",
        section="XEP-0202 §1, XEP-0203",
        side="theirs, unless the clock of this machine is wrong",
        remedy="The times of delayed messages are wrong, and good certificates may be refused. Let NTP set the clock.",
    ),
    FindingId.UNKNOWN_USER_SILENT: FindingKind(
        chapter=Chapter.TALK,
        level=_FLAW,
        title="a request to an account that does not exist is not answered",
        expected="service-unavailable",
        section="RFC 6121 §8.5.1",
        side=_THEIRS,
        remedy="The sender gets no answer. The server, or one of its filters, must answer with service-unavailable.",
    ),
    FindingId.UNKNOWN_USER_WRONG: FindingKind(
        chapter=Chapter.TALK,
        level=_FLAW,
        title="a request to an account that does not exist gets a result",
        expected="service-unavailable",
        section="RFC 6121 §8.5.1",
        side=_THEIRS,
        remedy="Others believe that the account exists. It is a bug in the server's program.",
    ),
    FindingId.UNKNOWN_REQUEST_SILENT: FindingKind(
        chapter=Chapter.TALK,
        level=_FLAW,
        title="a request of an unknown kind is not answered",
        expected="service-unavailable or feature-not-implemented",
        section="RFC 6120 §8.4",
        side=_THEIRS,
        remedy="A program that tries out what the server supports gets no answer. It is a bug in the server's program.",
    ),
    FindingId.UNKNOWN_REQUEST_WRONG: FindingKind(
        chapter=Chapter.TALK,
        level=_FLAW,
        title="a made-up kind of request gets a result",
        expected="service-unavailable or feature-not-implemented",
        section="RFC 6120 §8.4",
        side=_THEIRS,
        remedy="Others believe that the server supports what it does not. It is a bug in the server's program.",
    ),
    FindingId.LARGE_REFUSED: FindingKind(
        chapter=Chapter.TALK,
        level=_FLAW,
        title="a stanza of 10,000 bytes does not get through",
        expected="every stanza of up to 10,000 bytes",
        section="RFC 6120 §13.12",
        side=_THEIRS,
        remedy="Raise the limit of the server for stanzas from other servers: 10,000 bytes is the least allowed.",
    ),
    FindingId.LARGER_REFUSED: FindingKind(
        chapter=Chapter.TALK,
        level=_NOTE,
        title="a stanza of 64 KiB does not get through",
        expected="a choice of its owner, announced as a limit",
        section="XEP-0478 §3.1",
        side=_THEIRS,
        remedy="Avatars and previews are often that large. Let the server announce its limit, so that nothing larger is"
        " sent to it, or raise the limit.",
    ),
    FindingId.NOT_ACKNOWLEDGED: FindingKind(
        chapter=Chapter.TALK,
        level=_FLAW,
        title="the server supports stream management, but acknowledges late or never",
        expected="an answer to each request for an acknowledgement, without delay",
        section="XEP-0198 §4",
        side=_THEIRS,
        remedy="Others consider the stream dead, close it, and send again what has already arrived. The server is"
        " overloaded, or its module for stream management has a bug.",
    ),
    FindingId.ACKNOWLEDGES: FindingKind(
        chapter=Chapter.TALK, level=_GOOD, title="the server acknowledges the stanzas that it has accepted"
    ),
    FindingId.SLOW: FindingKind(
        chapter=Chapter.TALK,
        level=_NOTE,
        title="answers take more than 5 s although the streams are established",
        expected="an answer within a second",
        section="",
        side=_THEIRS,
        remedy="The server or its connection is overloaded.",
    ),
    # -- tolerance ---------------------------------------------------------------------------------------------------
    FindingId.TOLERANT: FindingKind(
        chapter=Chapter.TOLERANCE, level=_GOOD, title="the server tolerates what it should, and refuses what it must"
    ),
    FindingId.NOT_CONFIRMED: FindingKind(
        chapter=Chapter.TOLERANCE,
        level=_NOTE,
        title="the tests of tolerance were left out, because the owner of the domain has not confirmed them",
        expected="a TXT record `thorough` at _xmpp-interop.DOMAIN, or one of our domains",
        section="",
        side="nobody's",
        remedy="Publish that record while the tests run: they send what a server has to refuse.",
    ),
    FindingId.ONLY_OLD_TLS: FindingKind(
        chapter=Chapter.TOLERANCE,
        level=_FLAW,
        title="a client that supports only TLS 1.3 is refused",
        expected="TLS 1.3",
        section="RFC 9325 §3.1.1",
        side=_THEIRS,
        remedy="Servers that have turned TLS 1.2 off cannot connect. Allow TLS 1.3.",
    ),
    FindingId.OLD_TLS_TAKEN: FindingKind(
        chapter=Chapter.TOLERANCE,
        level=_FLAW,
        title="the server still accepts TLS 1.0 or 1.1",
        expected="TLS 1.2 or newer only",
        section="RFC 8996 §4, §5",
        side=_THEIRS,
        remedy="Set the oldest version that the server accepts to TLS 1.2.",
    ),
    FindingId.WHITESPACE_REFUSED: FindingKind(
        chapter=Chapter.TOLERANCE,
        level=_FLAW,
        title="the server ends a stream because of white space between elements",
        expected="white space is ignored",
        section="RFC 6120 §4.6.1, §11.7",
        side=_THEIRS,
        remedy="Many servers send a space to keep a connection open. It is a bug in the server's program.",
    ),
    FindingId.RESTRICTED_XML_TAKEN: FindingKind(
        chapter=Chapter.TOLERANCE,
        level=_FLAW,
        title="the server accepts a comment inside the stream",
        expected="the stream error restricted-xml, or not-well-formed",
        section="RFC 6120 §11.1",
        side=_THEIRS,
        remedy="Comments, processing instructions and entities are forbidden in XMPP and have been used for attacks."
        " It is a bug in the server's program.",
    ),
    FindingId.PAIRS_UNANSWERED: FindingKind(
        chapter=Chapter.TOLERANCE,
        level=_NOTE,
        title="the server does not answer for 1,000 domains on one stream",
        expected="an answer to each question about a dialback key, whatever domains share the stream",
        section="XEP-0220 §2.6",
        side=_THEIRS,
        remedy="A server with very many domains uses one stream for all, and some of them cannot prove themselves to"
        " this one. If a limit there bounds what one stream may send or ask, raise it.",
    ),
    # -- our own domains ---------------------------------------------------------------------------------------------
    FindingId.LEADS_ELSEWHERE: FindingKind(
        chapter=_N,
        level=_BROKEN,
        title="the DNS leads to a server whose key is not this gateway's",
        expected="the certificate of this gateway, wherever the records lead",
        section="RFC 6120 §3.2",
        side="ours",
        remedy="Either the records lead to another machine: publish those at the end of the report. Or this gateway, or"
        " another node of it, still shows an old certificate: reload it.",
    ),
    FindingId.NO_CLIENT_SRV: FindingKind(
        chapter=_N,
        level=_NOTE,
        title="there are no SRV records for clients, so the domain's own address and port 5222 are used",
        expected="an SRV record at _xmpp-client._tcp, or at _xmpps-client._tcp for direct TLS",
        section="RFC 6120 §3.2.1, XEP-0368",
        side="ours",
        remedy="Publish the records at the end of the report.",
    ),
    FindingId.CLIENTS_UNREACHABLE: FindingKind(
        chapter=_C,
        level=_BROKEN,
        title="no client can connect",
        expected="an open port at every server that the records for clients name",
        section="RFC 6120 §3.2",
        side="ours or the network's",
        remedy="Open the port in the firewall, and let [listen] client or client_tls name it.",
    ),
    FindingId.CAA_FORBIDS: FindingKind(
        chapter=_K,
        level=_FLAW,
        title="the CAA records of the domain allow no authority to issue a certificate",
        expected="the authority of the present certificate among the CAA records",
        section="RFC 8659 §4",
        side="ours",
        remedy='The next renewal will fail. Publish `0 issue "AUTHORITY"` with the name that your authority documents.',
    ),
    FindingId.NO_CAA: FindingKind(
        chapter=_K,
        level=_NOTE,
        title="there are no CAA records, so every authority may issue a certificate for the domain",
        expected="CAA records that name the one authority, and the account there (accounturi)",
        section="RFC 8659 §4, RFC 8657 §3",
        side="ours",
        remedy="With a CAA record that names your account, nobody else gets a certificate from that authority, not even"
        " somebody who controls the network in front of the server.",
    ),
    FindingId.CAA_NAMED: FindingKind(chapter=_K, level=_GOOD, title="CAA records name who may issue certificates"),
}
