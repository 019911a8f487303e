"""SASL between servers: the mechanisms by which domains prove themselves to each other (RFC 6120 §6, XEP-0178 §3).

    EXTERNAL      the certificate of the TLS connection; offered only if it proves exactly the domain in the stream's
                  'from', by an authority or by other evidence that our terms accept, so that an offer always succeeds
    DIGEST-MD5    a secret shared with this peer, for old servers; never without one, and only if our terms for the peer
                  list it (RFC 6331)

If the other side refuses, dialback on the same stream is still possible.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.features.sasl import Token
from gateway.features.sasl_initiating import SaslInitiating
from gateway.features.sasl_receiving import Accepted, SaslReceiving
from gateway.sasl import digest_md5, external
from gateway.sasl.digest_md5 import DigestMd5Client, DigestMd5Server
from gateway.sasl.external import ExternalClient, ExternalServer, server_rule
from gateway.sasl.mechanism import ServerConversation, ServerMechanism
from gateway.stream.events import Event, PairVerified
from gateway.stream.facts import BY_CERTIFICATE, Means, ServerFacts, Usable
from gateway.xmpp.addresses import Domain
from gateway.xmpp.elements import Element
from gateway.xmpp.errors import Misuse, SaslCondition, SaslFailure


def accepting_servers(token: Token) -> SaslReceiving[ServerFacts]:
    """Return the feature for ports for servers; `token` makes nonces from a strong source."""

    def digest_server(facts: ServerFacts) -> ServerMechanism:
        if (secret := facts.terms.shared_secret) is None:
            raise Misuse("DIGEST-MD5 was begun without a secret")
        return DigestMd5Server(realm=facts.our_domain, peer=facts.their_domain, secret=secret, token=token)

    table = (
        Accepted(name=external.NAME, means=Means.EXTERNAL, obstacle=_no_external, begin=_external_server),
        Accepted(name=digest_md5.NAME, means=Means.DIGEST_MD5, obstacle=_no_digest, begin=digest_server),
    )
    return SaslReceiving(table, is_done=lambda facts: bool(facts.proofs), proved=_they_proved)


def proving_to_servers(token: Token) -> SaslInitiating[ServerFacts]:
    """Return the feature for streams that we open to other servers."""

    def choose(facts: ServerFacts, offered: Element) -> Sequence[Usable]:
        (local, remote), secret = facts.pair, facts.terms.shared_secret
        known = {}
        if facts.encrypted:
            # The authorization identity is our domain, because some peers refuse an empty one (XEP-0178 §3, 9).
            known[Means.EXTERNAL] = Usable(
                name=external.NAME, means=Means.EXTERNAL, begin=lambda: ExternalClient(authzid=local)
            )
        if secret is not None and _protected(facts):
            known[Means.DIGEST_MD5] = Usable(
                name=digest_md5.NAME,
                means=Means.DIGEST_MD5,
                begin=lambda: DigestMd5Client(username=local, secret=secret, target=remote, token=token),
            )
        return [known[means] for means in _wanted_now(facts) if means in known]

    return SaslInitiating(choose, is_done=lambda facts: facts.proves(facts.pair), proved=_we_proved)


def _wanted_now(facts: ServerFacts) -> tuple[Means, ...]:
    """The means that our terms list, in their order: those behind dialback once dialback has been tried.

    Presenting our certificate is one of them, whatever the other side looks up about it.
    """
    means = facts.terms.means
    if Means.DIALBACK in means and Means.DIALBACK not in facts.tried:
        means = means[: means.index(Means.DIALBACK)]
    return tuple(dict.fromkeys(Means.EXTERNAL if each in BY_CERTIFICATE else each for each in means))


class _External(ExternalServer):
    def converse(self, initial: bytes | None) -> ServerConversation:
        """Converse. COMPAT servers that send an empty element instead of `=`: it does not request a challenge."""
        return super().converse(initial or b"")


def _external_server(facts: ServerFacts) -> ServerMechanism:
    def is_proved(domain: str) -> bool:
        return facts.proof_by_certificate(Domain(domain), facts.terms) is not None

    return _External(server_rule(facts.remote, is_proved))


def _no_external(facts: ServerFacts) -> SaslFailure | None:
    if not facts.encrypted:
        return SaslFailure(SaslCondition.ENCRYPTION_REQUIRED, "TLS must be started first")
    if facts.remote is None:
        return SaslFailure(SaslCondition.NOT_AUTHORIZED, "the stream header has no 'from'")
    if not facts.terms.by_certificate:
        return SaslFailure(SaslCondition.NOT_AUTHORIZED, "certificates are not accepted as proof here")
    if facts.proof_by_certificate(facts.remote, facts.terms) is None:
        return SaslFailure(SaslCondition.NOT_AUTHORIZED, facts.why_not_by_certificate(facts.remote))
    return None


def _no_digest(facts: ServerFacts) -> SaslFailure | None:
    if not _protected(facts):
        return SaslFailure(SaslCondition.ENCRYPTION_REQUIRED, "TLS must be started first")
    if facts.remote is None or facts.terms.shared_secret is None or not facts.terms.allow(Means.DIGEST_MD5):
        return SaslFailure(SaslCondition.MECHANISM_TOO_WEAK)
    return None


def _protected(facts: ServerFacts) -> bool:
    return facts.encrypted or not facts.terms.require_tls


def _they_proved(
    facts: ServerFacts, accepted: Accepted[ServerFacts], identity: str
) -> tuple[ServerFacts, Sequence[Event]]:
    by_certificate = facts.proof_by_certificate(facts.pair.sender, facts.terms)
    means = by_certificate if accepted.means is Means.EXTERNAL and by_certificate is not None else accepted.means
    return facts.with_proof(facts.pair, means), [PairVerified(pair=facts.pair, means=means)]


def _we_proved(facts: ServerFacts, usable: Usable) -> tuple[ServerFacts, Sequence[Event]]:
    return facts.with_proof(facts.pair, usable.means), [PairVerified(pair=facts.pair, means=usable.means)]
