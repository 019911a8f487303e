"""The rows of the feature set (draft-saintandre-xmpp-feature-set-01), in our own words.

`python -m tests.features.rows` prints the files of tests outside this folder that prove a row.

Our copy of the draft ends after 10.2-1. The rows behind it are those of the documents that the draft became: RFC 6120
§15 and RFC 6121 §14, whose names of features stand in brackets.
"""

from __future__ import annotations

from dataclasses import dataclass

SUPERSEDED_BY_BCP_195 = "superseded by BCP 195: `[tls] ciphers` lists what else is wanted"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One feature: required (R), recommended (r) or optional (o) for a server and for a client, or neither's (-).

    `alike`: both roles do it by the same code, so that one folder of tests proves it for both.
    """

    id: str
    server: str
    client: str
    feature: str
    alike: bool = False
    tests: str = ""  # the file that proves it, where that is in another folder

    @property
    def file(self) -> str:
        """The name of the file of tests that carries the id."""
        return f"test_{self.id.lower().replace('.', '_').replace('-', '_')}.py"


def _further(id: str, feature: str, tests: str) -> Row:
    """Return a row of the appendix: what no row of the draft asks for."""
    return Row(id=id, server="o", client="-", feature=feature, tests=tests)


def _row(id: str, server: str, client: str, feature: str) -> Row:
    return Row(id=id, server=server, client=client, feature=feature)


def _alike(id: str, server: str, client: str, feature: str) -> Row:
    return Row(id=id, server=server, client=client, feature=feature, alike=True)


SECTIONS: dict[str, tuple[Row, ...]] = {
    "Addresses": (
        _alike("2.1-1", "R", "r", "domainparts: IDNA 2008 (RFC 7622), every spelling in one form; IP literals"),
        _alike("2.1-2", "R", "R", "a domainpart has at most 1023 bytes"),
        _alike("2.2-1", "R", "r", "localparts: UsernameCaseMapped (RFC 8265), and none of `\"&'/:<>@`"),
        _alike("2.2-2", "R", "R", "a localpart has at most 1023 bytes"),
        _alike("2.3-1", "R", "r", "resourceparts: OpaqueString (RFC 8265), case kept"),
        _alike("2.3-2", "R", "R", "a resourcepart has at most 1023 bytes"),
    ),
    "XML streams": (
        _alike("3.1-1", "R", "R", "streams over TCP [stream-tcp-binding]"),
        _row("3.1-2", "R", "R", "names are resolved first: SRV, then addresses [stream-fqdn-resolution]"),
        _alike("3.1-3", "r", "r", "reconnecting backs off, after a random first wait [stream-reconnect]"),
        _alike("3.2-1", "R", "R", "the root is in the streams namespace"),
        _alike("3.2-2", "R", "R", "every element of that namespace has a prefix"),
        _alike("3.2-3", "r", "r", "that prefix is `stream`"),
        _alike("3.2-4", "R", "R", "the default namespace is the content's"),
        _alike("3.2-5", "R", "R", "`jabber:client`"),
        _row("3.2-6", "R", "-", "`jabber:server`"),
        _alike("3.3.1-1", "r", "r", "the initial header has `from`"),
        _alike("3.3.1-2", "r", "r", "the initial header has `to`"),
        _alike("3.3.1-3", "r", "r", "the initial header has `xml:lang`"),
        _alike("3.3.1-4", "R", "R", "the initial header has `version='1.0'`"),
        _row("3.3.2-1", "R", "-", "the answering header has `from`"),
        _row("3.3.2-2", "r", "-", "the answering header has `to`"),
        _row("3.3.2-3", "R", "-", "the answering header has `id`"),
        _row("3.3.2-4", "R", "-", "no `id` is used twice, and none can be guessed"),
        _row("3.3.2-5", "R", "-", "a version is answered with 1.0"),
        _row("3.4-1", "R", "-", "features are advertised after the header"),
        _row("3.4-2", "r", "-", "mandatory features say that they are"),
        _alike("3.5-1", "R", "R", "streams are closed by their closing tag"),
        _alike("3.5-2", "r", "r", "the closing side waits a while for the other's tag"),
        _alike("3.5-3", "R", "R", "nothing is sent after one's own closing tag"),
        _alike("3.5-4", "R", "R", "then TCP is closed"),
        _alike("3.6-1", "R", "R", "a stream error ends the stream: error, closing tag, TCP"),
        _alike("3.6-2", "R", "R", "stream errors have the defined syntax"),
    ),
    "STARTTLS": (
        _alike("4-1", "R", "R", "TLS 1.2 and 1.3 (RFC 7590)"),
        _alike("4-2", "R", "R", "no white space while TLS is negotiated, and nothing is smuggled past it"),
        _alike("4-3", "R", "R", "certificates are validated: path and name"),
        _alike("4-4", "R", "R", "a new header follows, and everything from before is forgotten"),
    ),
    "SASL": (
        _row("5-1", "R", "R", "SASL"),
        _row("5-2", "R", "R", "no white space while SASL is negotiated"),
        _row("5-3", "R", "R", "a new header follows success"),
        _row("5-4", "R", "R", "the error conditions of SASL"),
    ),
    "Technologies": (
        _alike("6-1", "R", "R", f"TLS_RSA_WITH_3DES_EDE_CBC_SHA: {SUPERSEDED_BY_BCP_195}"),
        _row("6-2", "R", "R", "TLS and PLAIN"),
        _row("6-3", "R", "r", "TLS and EXTERNAL: servers in both directions, clients by XmppAddr"),
        _alike(
            "6-4", "r", "r", "DIGEST-MD5 between servers: superseded (RFC 6331), so off unless a peer shares a secret"
        ),
        _row("6-5", "R", "R", "SCRAM-SHA-1, SCRAM-SHA-256 and their -PLUS forms"),
    ),
    "Resource binding": (
        _row("7-1", "R", "R", "clients bind a resource before anything else"),
        _row("7-2", "-", "r", "the client leaves the resource to the server"),
        _row("7-3", "R", "-", "the server makes one that nobody can guess"),
        _row("7-4", "r", "o", "one stream, one resource: a second bind is not allowed"),
    ),
    "Server dialback": (_row("8-1", "r", "-", "initiating, receiving and authoritative server (XEP-0220)"),),
    "XML": (
        _alike("9-1", "R", "R", "restricted XML is never sent"),
        _alike("9-2", "R", "R", "restricted XML is a stream error"),
    ),
    "Stanzas": (
        _row("10-1", "R", "R", "message, presence and iq; anything else is refused"),
        _row("10.1-1", "R", "R", "`to` on stanzas"),
        _row("10.1-2", "R", "R", "`from` on stanzas"),
        _row("10.1-3", "R", "-", "a client's `from` is checked or added"),
        _row("10.1-4", "R", "-", "stanzas to other servers are from one of our domains"),
        _row("10.1-5", "R", "-", "stanzas from other servers are from a domain that they have proved"),
        _row("10.1-6", "r", "r", "`xml:lang` on stanzas"),
        _row("10.2-1", "-", "R", "message types are distinguished [message-type-support]"),
        _row("10.2-2", "R", "R", "body, subject and thread [message-body, message-subject, message-thread]"),
        _row("10.3-1", "R", "R", "presence without a type is available presence [presence-notype]"),
        _row("10.4-1", "R", "R", "an iq has an id and a type [stanza-iq-id, stanza-iq-type]"),
        _row("10.4-2", "R", "R", "the children of an iq [stanza-iq-child]"),
        _row("10.4-3", "R", "R", "every request is answered [stanza-iq-reply]"),
        _row("10.5-1", "R", "R", "errors are of type error and have an `<error/>` [stanza-error, stanza-error-child]"),
        _row("10.5-2", "R", "R", "errors keep the id [stanza-error-id]"),
        _row("10.5-3", "R", "R", "errors are not answered with errors [stanza-error-reply]"),
        _row("10.6-1", "R", "R", "unknown content is passed on, or ignored [stanza-extension]"),
        _row("10.7-1", "R", "-", "stanzas are delivered by their address (RFC 6120 §10, RFC 6121 §8)"),
    ),
    "Rosters": (
        _row("11-1", "R", "R", "the roster is read [roster-get]"),
        _row("11-2", "R", "R", "contacts are added, changed, removed [roster-set]"),
        _row("11-3", "R", "R", "changes are pushed [roster-push]"),
        _row("11-4", "r", "r", "versions [roster-version]"),
    ),
    "Presence subscriptions": (
        _row("12-1", "R", "R", "requests [presence-sub-request]"),
        _row("12-2", "R", "R", "approvals [presence-sub-approval]"),
        _row("12-3", "R", "R", "cancellations [presence-sub-cancel]"),
        _row("12-4", "R", "R", "unsubscribing [presence-sub-unsubscribe]"),
        _row("12-5", "o", "o", "approvals before the request [presence-sub-preapproval]"),
        _row("12-6", "R", "-", "the states of RFC 6121 appendix A, here and between servers"),
    ),
    "Presence": (
        _row("13-1", "R", "R", "initial presence is broadcast, and contacts are probed [presence-probe]"),
        _row("13-2", "R", "-", "probes are answered by the rules"),
        _row("13-3", "R", "R", "updates and priority"),
        _row("13-4", "R", "R", "unavailable, even if the connection just dies"),
        _row("13-5", "R", "R", "directed presence"),
    ),
    "Appendix: trust": (
        _further(
            "14-1",
            "DNS answers are secure, insecure or bogus (DNSSEC)",
            "tests/unit/net/dns/test_nameservers.py",
        ),
        _further("14-2", "DANE, outward and inward (RFC 7673, RFC 7712)", "tests/interop/test_dane.py"),
        _further(
            "14-3",
            "TLSA records of every usage, selector and matching (RFC 7671)",
            "tests/unit/net/certificates/test_dane.py",
        ),
        _further("14-4", "keys of other domains are remembered, and may be pinned", "tests/interop/test_keys.py"),
        _further("14-5", "revocation lists are fetched; open streams are closed", "tests/interop/test_revocation.py"),
        _further("14-6", "POSH, outward and inward (RFC 7711)", "tests/interop/test_posh.py"),
        _further(
            "14-7", "stapled OCSP is read; must-staple is honoured", "tests/unit/net/certificates/test_stapling.py"
        ),
    ),
    "Appendix: components": (
        _further("15-1", "components by TLS", "tests/interop/test_slixmpp_components.py"),
        _further(
            "15-2",
            "components have privileges for accounts, or answer for them (XEP-0356, XEP-0355)",
            "tests/interop/test_privileges.py",
        ),
        _further("15-3", "several connections for one domain", "tests/unit/components/test_connections.py"),
    ),
}

ROWS = tuple(row for rows in SECTIONS.values() for row in rows)


def files_elsewhere() -> list[str]:
    """Return the files of tests that prove rows of the appendix."""
    return sorted({row.tests for row in ROWS if row.tests})


if __name__ == "__main__":
    print(*files_elsewhere())
