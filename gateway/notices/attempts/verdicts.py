"""Verdicts: how a try to have a stream can end, each with what it means, on whose side it lies, and what mends it.

The set is closed: attempts are counted by it, the manual's chapter on troubleshooting is made from it, and log line,
commands and page take their advice from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How an attempt ended, or that it has not."""

    UNDER_WAY = "under-way"
    ESTABLISHED = "established"
    QUESTIONS_ANSWERED = "questions-answered"
    CLOSED_BY_US = "closed-by-us"
    SAID_NOTHING = "said-nothing"
    NO_SUCH_DOMAIN = "no-such-domain"
    DNS_FAILED = "dns-failed"
    NO_ANSWER = "no-answer"
    UNREACHABLE = "unreachable"
    NO_TLS = "no-tls"
    TLS_FAILED = "tls-failed"
    CERTIFICATE_EXPIRED = "certificate-expired"
    NOT_TRUSTED = "not-trusted"
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
        """What this verdict means and what mends it."""
        return ADVICE[self]

    @property
    def is_failure(self) -> bool:
        """Whether somebody should look into it."""
        return self not in NO_FAILURES


@dataclass(frozen=True, kw_only=True)
class Advice:
    """A verdict in plain words: its meaning, on whose side the cause is, and what to do there."""

    meaning: str
    side: str = ""
    mend: str = ""


NO_FAILURES = frozenset(
    {
        Verdict.UNDER_WAY,
        Verdict.ESTABLISHED,
        Verdict.QUESTIONS_ANSWERED,
        Verdict.CLOSED_BY_US,
        Verdict.SAID_NOTHING,
    }
)

ADVICE = {
    Verdict.UNDER_WAY: Advice(meaning="it is being tried at this moment"),
    Verdict.ESTABLISHED: Advice(meaning="the stream stands, and stanzas may pass"),
    Verdict.QUESTIONS_ANSWERED: Advice(meaning="the other server only asked whether dialback keys are ours"),
    Verdict.CLOSED_BY_US: Advice(meaning="we closed the stream: an operator asked for it, or the service was stopped"),
    Verdict.SAID_NOTHING: Advice(meaning="somebody connected and left without a word, as monitors and scanners do"),
    Verdict.NO_SUCH_DOMAIN: Advice(
        meaning="the DNS knows no XMPP server for the domain, or the domain says that it has none",
        side="theirs",
        mend="Check how the domain is spelled. If it is right, its owner has to publish an SRV record"
        " _xmpp-server._tcp, or an address record for the domain itself.",
    ),
    Verdict.DNS_FAILED: Advice(
        meaning="the DNS gave no answer, so nobody knows whether the domain has a server",
        side="the resolver's",
        mend="Ask for the domain by hand (dig SRV _xmpp-server._tcp.DOMAIN). If other domains fail too, look at our"
        " nameservers: [dns] nameservers, or /etc/resolv.conf. If only this one does, its own nameservers are down.",
    ),
    Verdict.NO_ANSWER: Advice(
        meaning="nothing came back from the address at all, as when a firewall swallows packets or the machine is off",
        side="the network's or theirs",
        mend="Try from another network. If it answers there, let connections out to that port in our firewall;"
        " if not, the owner has to let them in, or publish the right address.",
    ),
    Verdict.UNREACHABLE: Advice(
        meaning="the machine is there but takes no connection on that port",
        side="theirs",
        mend="Their server is not running, or listens on another port than the DNS says: its owner has to see to it.",
    ),
    Verdict.NO_TLS: Advice(
        meaning="the other server does not offer TLS, and we require it",
        side="theirs",
        mend="Its owner has to give it a certificate and turn TLS on. Who must talk to it all the same sets"
        ' require_tls = false in [peers."DOMAIN"]: then everybody on the way can read along.',
    ),
    Verdict.TLS_FAILED: Advice(
        meaning="the TLS handshake failed",
        side="theirs or ours",
        mend="Most often the other server has no certificate for its domain on that port, and ends the handshake: its"
        " owner has to give it one, or to take the port out of the DNS (SRV records of _xmpps-server._tcp lead to ports"
        " with TLS from the first byte). If the reason names a protocol version or a cipher, compare them with [tls]"
        " minimum and ciphers on our side; very old servers know TLS 1.0 only. If it names our certificate, check"
        " that (xmpp-gateway check).",
    ),
    Verdict.CERTIFICATE_EXPIRED: Advice(
        meaning="the certificate that was shown is past its last day",
        side="theirs",
        mend="Its owner has to renew the certificate and reload the server. Until then 'dialback' in"
        ' [peers."DOMAIN"] authenticate lets the domain prove itself by DNS instead.',
    ),
    Verdict.NOT_TRUSTED: Advice(
        meaning="the other server did not prove that it is that domain, by any means that we accept",
        side="theirs",
        mend="It needs a certificate for exactly that domain from an authority that we trust ([tls] authorities), or"
        " working dialback if [peers] authenticate lists it for them.",
    ),
    Verdict.NO_COMMON_PROOF: Advice(
        meaning="no means of proof that the other server offers is one that we accept",
        side="theirs or ours",
        mend="Compare what it offers (see the steps) with [peers] authenticate. A server that offers nothing often does"
        " not trust our certificate.",
    ),
    Verdict.PROOF_REFUSED: Advice(
        meaning="the other server did not believe that we are our domain",
        side="ours",
        mend="Check the certificate that we show for our domain (xmpp-gateway check): that it has not expired, names"
        " exactly that domain, comes with its whole chain of authorities, and is the one that TLSA records of our"
        " servers announce, if there are any. For dialback, check that the DNS leads from our domain to this gateway,"
        " and that its server door can be reached from outside: the other server connects there to ask. A server"
        ' behind us (serve = "relay") has to accept other domains by dialback: see the manual for relay operators.',
    ),
    Verdict.WRONG_SECRET: Advice(
        meaning="the component knows another secret than we do",
        side="ours",
        mend='Make them equal: secret in [domains."DOMAIN"] here, and the password in the component\'s own'
        " configuration. Look for blanks and quotes at the ends.",
    ),
    Verdict.LOGIN_REFUSED: Advice(
        meaning="a client did not prove that the account is its own",
        side="the client's",
        mend="If it is one of your people, the password is wrong: xmpp-gateway account passwd JID gives another one."
        " Many of these from one address are somebody who guesses.",
    ),
    Verdict.CLOSED_AFTER_PROOF: Advice(
        meaning="the other server accepted the proof and then closed the stream without a word",
        side="theirs",
        mend="Only their log says why. Often it is a rule against our domain, or a fault in a module of theirs;"
        " send its operator the time and our domain.",
    ),
    Verdict.CLOSED_BY_PEER: Advice(
        meaning="the other side ended the stream and said why",
        side="theirs",
        mend="Read its reason in the last step. If it means us (host-unknown, policy-violation, not-authorized), its"
        " operator can change it.",
    ),
    Verdict.REFUSED_BY_US: Advice(
        meaning="we ended the stream, since the other side broke a rule of ours or of the protocol",
        side="theirs, or our rules",
        mend="The last step names the rule. If it is to be let in, see [peers] and [domains] in our configuration.",
    ),
    Verdict.CONNECTION_LOST: Advice(
        meaning="the connection broke off in the middle of the negotiation",
        side="theirs or the network's",
        mend="If it happens every time at the same step, something between us cuts connections, or their server"
        " crashes there: its log says.",
    ),
    Verdict.TIMEOUT: Advice(
        meaning="the connection stood, but the other side stopped answering",
        side="theirs",
        mend="Read in the last step what it did not answer. If that is our dialback key, it may not reach our server"
        " door to ask about it: check that the DNS leads from our domain to this gateway, and that no firewall is in"
        " the way. Otherwise its server is overloaded or hangs. Try again: xmpp-gateway retry DOMAIN.",
    ),
}
