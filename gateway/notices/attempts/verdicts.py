"""Verdicts: the ways an attempt at a stream can end, each with its meaning, the side at fault, and the remedy.

The set is closed. Attempts are counted by verdict, the troubleshooting page is generated from this table, and the log,
the commands and the status page take their advice from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property


class Verdict(StrEnum):
    """The outcome of an attempt, or UNDER_WAY."""

    UNDER_WAY = "under-way"
    ESTABLISHED = "established"
    QUESTIONS_ANSWERED = "questions-answered"
    CLOSED_BY_US = "closed-by-us"
    ENDED = "ended"
    SAID_NOTHING = "said-nothing"
    NO_SUCH_DOMAIN = "no-such-domain"
    DNS_FAILED = "dns-failed"
    DNS_BOGUS = "dns-bogus"
    NO_ANSWER = "no-answer"
    UNREACHABLE = "unreachable"
    NO_TLS = "no-tls"
    TLS_FAILED = "tls-failed"
    CERTIFICATE_EXPIRED = "certificate-expired"
    REVOKED = "certificate-revoked"
    NOT_TRUSTED = "not-trusted"
    NOT_IN_TLSA = "not-in-tlsa"
    NOT_PINNED = "not-pinned"
    NO_COMMON_PROOF = "no-common-proof"
    PROOF_REFUSED = "proof-refused"
    WRONG_SECRET = "wrong-secret"
    LOGIN_REFUSED = "login-refused"
    CLOSED_AFTER_PROOF = "closed-after-proof"
    CLOSED_BY_PEER = "closed-by-peer"
    REFUSED_BY_US = "refused-by-us"
    CONNECTION_LOST = "connection-lost"
    TIMEOUT = "timeout"

    @property
    def advice(self) -> Advice:
        """Meaning, side and remedy of this verdict."""
        return ADVICE[self]

    @cached_property
    def is_failure(self) -> bool:
        """Return whether an operator should look into it."""
        return self not in NO_FAILURES


@dataclass(frozen=True, kw_only=True)
class Advice:
    """A verdict in plain words: what it means, on which side the cause is, and what to do."""

    meaning: str
    side: str = ""
    mend: str = ""


NO_FAILURES = frozenset(
    {
        Verdict.UNDER_WAY,
        Verdict.ESTABLISHED,
        Verdict.QUESTIONS_ANSWERED,
        Verdict.CLOSED_BY_US,
        Verdict.ENDED,
        Verdict.SAID_NOTHING,
    }
)

ADVICE = {
    Verdict.UNDER_WAY: Advice(meaning="the attempt is in progress"),
    Verdict.ESTABLISHED: Advice(meaning="the stream is established and stanzas can pass"),
    Verdict.QUESTIONS_ANSWERED: Advice(meaning="the other server connected only to verify our dialback keys"),
    Verdict.CLOSED_BY_US: Advice(meaning="we closed the stream: an operator asked for it, or the service was stopping"),
    Verdict.ENDED: Advice(meaning="the stream was established and ended later, without an error from either side"),
    Verdict.SAID_NOTHING: Advice(
        meaning="the other side connected and left without sending anything, as monitors and scanners do"
    ),
    Verdict.NO_SUCH_DOMAIN: Advice(
        meaning="the DNS lists no XMPP server for the domain, or says that the domain has none",
        side="theirs",
        mend="Check the spelling of the domain. If it is right, its owner must publish an SRV record"
        " (_xmpp-server._tcp), or an address record for the domain itself.",
    ),
    Verdict.DNS_FAILED: Advice(
        meaning="the DNS did not answer, so it is unknown whether the domain has a server",
        side="the resolver's",
        mend="Query the domain by hand (dig SRV _xmpp-server._tcp.DOMAIN). If other domains fail too, check our"
        " nameservers: [dns] nameservers, or /etc/resolv.conf. If only this domain fails, its own nameservers are"
        " down.",
    ),
    Verdict.DNS_BOGUS: Advice(
        meaning="the domain's DNS answers are signed, and the signatures are wrong (DNSSEC)",
        side="theirs, or somebody tampers with the DNS",
        mend="Nothing in such answers is used. Query the domain from another network (delv SRV"
        " _xmpp-server._tcp.DOMAIN, or a DNSSEC checker on the web). If they are wrong there too, its owner must sign"
        " the zone again: often a key was changed and the parent zone was not updated, or the signatures have expired."
        " If they are right there, somebody between our resolver and the internet changes the answers.",
    ),
    Verdict.NO_ANSWER: Advice(
        meaning="the address did not respond at all: a firewall drops the packets, or the machine is off",
        side="the network's or theirs",
        mend="Try from another network. If it responds there, allow outgoing connections to that port in our firewall."
        " If not, its owner must allow incoming connections, or publish the right address.",
    ),
    Verdict.UNREACHABLE: Advice(
        meaning="the machine responds but refuses connections on that port",
        side="theirs",
        mend="Their server is not running, or does not listen on that port. Its owner must start it, or correct the"
        " port in the DNS. A port from `connect` in [peers] is ours to correct.",
    ),
    Verdict.NO_TLS: Advice(
        meaning="the other server does not offer TLS, and we require it",
        side="theirs",
        mend="Its owner must install a certificate and turn TLS on. If you must reach it anyway, set"
        ' require_tls = false in [peers."DOMAIN"]; traffic can then be read in transit.',
    ),
    Verdict.TLS_FAILED: Advice(
        meaning="the TLS handshake failed",
        side="theirs or ours",
        mend="Usually the other server has no certificate for its domain on that port and ends the handshake: its owner"
        " must install one, or remove the port from the DNS (SRV records of _xmpps-server._tcp point to ports with TLS"
        " from the first byte). If the reason names a protocol version or a cipher, compare it with [tls] minimum and"
        " ciphers here; very old servers support TLS 1.0 only. If the reason names our certificate, check it with"
        " xmpp-gateway check.",
    ),
    Verdict.CERTIFICATE_EXPIRED: Advice(
        meaning="the other server's certificate has expired",
        side="theirs",
        mend="Its owner must renew the certificate and reload the server. Until then, 'dialback' in"
        ' [peers."DOMAIN"] authenticate lets the domain prove itself through the DNS instead.',
    ),
    Verdict.REVOKED: Advice(
        meaning="the other server's certificate was revoked by its authority",
        side="theirs",
        mend="Its owner must get another certificate with another key. If the owner did not ask for the revocation, the"
        " authority knows the reason. Until then, do not work around it: somebody else may have the key.",
    ),
    Verdict.NOT_TRUSTED: Advice(
        meaning="the other server did not prove that it is that domain by any means that we accept",
        side="theirs",
        mend="It needs a certificate for exactly that domain from an authority that we trust ([tls] authorities), or"
        " working dialback if [peers] authenticate allows it for that domain.",
    ),
    Verdict.NOT_IN_TLSA: Advice(
        meaning="none of the domain's TLSA records matches the other server's certificate (DANE)",
        side="theirs, or somebody intercepts the connection",
        mend="Its owner has changed the key but not the TLSA records, or somebody else answers in its place. Until you"
        " know which, do not work around it. Compare with the records (dig TLSA _5269._tcp.HOST); the owner must"
        " publish the new key beside the old one, and wait for the time to live, before changing it. To go by"
        ' authorities alone, leave "dane" out of authenticate in [peers."DOMAIN"].',
    ),
    Verdict.NOT_PINNED: Advice(
        meaning="the other server's key is not among those that our configuration allows for the domain",
        side="theirs, or somebody intercepts the connection",
        mend="Ask its operator, not over XMPP, whether the key is theirs. If it is, add its digest to pin in"
        ' [peers."DOMAIN"]; the last step and xmpp-gateway explain DOMAIN show it. If it is not, somebody intercepts'
        " the connection, with a certificate for the domain.",
    ),
    Verdict.NO_COMMON_PROOF: Advice(
        meaning="the other server offers no means of proof that we accept",
        side="theirs or ours",
        mend="Compare what it offers (see the steps) with [peers] authenticate. A server that offers nothing often"
        " does not trust our certificate.",
    ),
    Verdict.PROOF_REFUSED: Advice(
        meaning="the other server did not accept our proof that we are our domain",
        side="ours",
        mend="Check our certificate for the domain (xmpp-gateway check): it must not have expired, must name exactly"
        " that domain, must come with its whole chain, and must match the TLSA records of our servers, if there are"
        " any. For dialback, check that the DNS points from our domain to this gateway and that its server port is"
        " reachable from outside: the other server connects there to verify the key. A server behind us"
        ' (serve = "relay") must accept other domains by dialback; see docs/relay.md.',
    ),
    Verdict.WRONG_SECRET: Advice(
        meaning="the component's secret differs from ours",
        side="ours",
        mend='Make the two equal: secret in [domains."DOMAIN"] here, and the password in the component\'s own'
        " configuration. Look for stray spaces and quotes at either end.",
    ),
    Verdict.LOGIN_REFUSED: Advice(
        meaning="a client failed to authenticate for the account",
        side="the client's",
        mend="If it is one of your users, the password is wrong: xmpp-gateway account passwd JID sets a new one."
        " Many failures from one address are somebody guessing passwords.",
    ),
    Verdict.CLOSED_AFTER_PROOF: Advice(
        meaning="the other server accepted the proof and then closed the stream without giving a reason",
        side="theirs",
        mend="Only its log says why. Often the cause is a rule against our domain, or a bug in one of its modules."
        " Send its operator the time and our domain.",
    ),
    Verdict.CLOSED_BY_PEER: Advice(
        meaning="the other side ended the stream and gave a reason",
        side="theirs",
        mend="Read its reason in the last step. If it is about us (host-unknown, policy-violation, not-authorized), its"
        " operator can change that.",
    ),
    Verdict.REFUSED_BY_US: Advice(
        meaning="we ended the stream because the other side broke one of our rules or the protocol",
        side="theirs, or our rules",
        mend="The last step names the rule. To admit the other side, change [peers] or [domains] in our configuration.",
    ),
    Verdict.CONNECTION_LOST: Advice(
        meaning="the connection broke during negotiation",
        side="theirs or the network's",
        mend="If it always happens at the same step, something in between cuts connections, or their server crashes"
        " at that step; its log says which.",
    ),
    Verdict.TIMEOUT: Advice(
        meaning="the connection was up, but the other side stopped answering",
        side="theirs",
        mend="The last step says what it did not answer. If that is our dialback key, it may be unable to reach our"
        " server port to verify it: check that the DNS points from our domain to this gateway, and that no firewall"
        " blocks the port. Otherwise its server is overloaded or hangs. Try again with xmpp-gateway retry DOMAIN.",
    ),
}
