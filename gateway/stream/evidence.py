"""Evidence: proof besides the authorities that a certificate belongs to a domain, and when to look for it.

It is looked for once on each stream, when the other side has named itself under TLS, and only if the certificate does
not prove that by a means that the terms accept. Nothing is offered or begun before the answer is there.
"""

from __future__ import annotations

from gateway.stream.facts import Facts, Means
from gateway.xmpp.errors import StreamCondition, StreamError

SOUGHT = "evidence"
"""The name that marks it as tried on a stream."""


def sought_means(facts: Facts) -> tuple[Means, ...]:
    """Return the means by which the other side may still be proved; none if there is nothing to look for."""
    terms, certificate = facts.terms, facts.certificate
    if certificate is None or facts.remote is None or not facts.encrypted or SOUGHT in facts.tried:
        return ()
    awaits_lists = terms.needs_revocation_lists and certificate.valid and certificate.unchecked
    sought = terms.by_certificate if awaits_lists else terms.by_certificate_elsewhere
    return sought if sought and facts.proof_by_certificate(facts.remote, terms) is None else ()


def check_certificate(facts: Facts) -> Facts:
    """Refuse a key that is not pinned, and a server that only its certificate could prove, if nothing does.

    Without TLS there is nothing to check (RFC 6120 §13.7).
    """
    if facts.encrypted and not facts.is_pinned(facts.terms):
        shown = f"sha256:{facts.certificate.key}" if facts.certificate is not None and facts.certificate.key else "none"
        reason = f"its key is not one of those that are pinned ([peers] pin): {shown}"
        raise StreamError(StreamCondition.NOT_AUTHORIZED, "that key is not accepted here", reason=reason)
    if not (facts.encrypted and facts.terms.needs_certificate) or sought_means(facts):
        return facts
    if facts.proof_by_certificate(facts.their_domain, facts.terms) is None:
        why_not = facts.why_not_by_certificate(facts.their_domain)
        raise StreamError(
            StreamCondition.NOT_AUTHORIZED, f"a valid certificate is required here: {why_not}", reason=why_not
        )
    return facts
