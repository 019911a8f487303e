"""Review: whether an open stream is still allowed after rules or certificates have changed.

The rules for new connections are applied to existing ones. Proofs by certificate are checked against the present
verdict on the certificate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gateway.stream.facts import BY_CERTIFICATE, Means, PeerCertificate, Role, ServerFacts, Terms
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import StreamCondition, StreamError, TLSRequired

_BY_CERTIFICATE = BY_CERTIFICATE | {Means.CERTIFICATE}


def review(
    facts: ServerFacts, certificate: PeerCertificate | None, terms: Terms | None, speaks_for: Callable[[Domain], bool]
) -> StreamError | None:
    """Return the error with which a stream between servers must end now; None if it may stay.

    `terms` are the present ones for the other side, None if it is no longer allowed; `speaks_for` says whether we speak
    for a domain towards that side.
    """
    if facts.local is None or facts.remote is None:
        return None  # it has presented nothing yet, and will be judged when it does
    if not speaks_for(facts.local):
        return StreamError(StreamCondition.HOST_GONE, "this server no longer answers for that domain")
    if terms is None:
        return StreamError(
            StreamCondition.POLICY_VIOLATION,
            "stanzas are no longer exchanged with that domain",
            reason=f"[peers] no longer allows {facts.remote}",
        )
    if terms.require_tls and not facts.encrypted:
        return TLSRequired("TLS is required here now")
    return _proofs(replace(facts, certificate=certificate, terms=terms), terms)


def _proofs(facts: ServerFacts, terms: Terms) -> StreamError | None:
    """Return what is wrong now with the proofs of the stream."""
    needs_certificate = facts.encrypted and terms.needs_certificate
    if facts.role is Role.RECEIVING:
        needs_certificate |= bool(_BY_CERTIFICATE & set(facts.proofs.values()))
        refused = sorted({means for means in facts.proofs.values() if not _is_accepted(means, terms)})
        if refused:
            return StreamError(StreamCondition.NOT_AUTHORIZED, f"{refused[0]} is no longer accepted as proof")
    if not facts.is_pinned(terms):
        return StreamError(StreamCondition.NOT_AUTHORIZED, "that key is no longer accepted here")
    remote = facts.their_domain
    if terms.by_certificate:
        is_proved = facts.proof_by_certificate(remote, terms) is not None
    else:
        is_proved = facts.certificate_proves(remote)
    if needs_certificate and not is_proved:
        why_not = facts.why_not_by_certificate(remote)
        return StreamError(StreamCondition.NOT_AUTHORIZED, f"a valid certificate is required here: {why_not}")
    return None


def _is_accepted(means: Means, terms: Terms) -> bool:
    return bool(terms.means) if means is Means.CERTIFICATE else terms.allow(means)
