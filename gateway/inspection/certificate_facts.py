"""Certificates as a report shows them: the verdict on a chain, as a fact."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.findings.facts import SeenCertificate
from gateway.net.certificates.certificate_names import CertificateNames, shown
from gateway.net.certificates.dane import judge_by_tlsa
from gateway.net.certificates.judge import CertificateVerdict
from gateway.net.certificates.trust_store import UNREADABLE, TrustStore, extension_of
from gateway.net.dns.tlsa import TLSASet
from gateway.xmpp.addresses import Domain

MOST_TOLD = 300  # characters


def certificate_seen(
    verdict: object, chain: tuple[x509.Certificate, ...], domain: Domain, tlsa: TLSASet | None, *, trust: TrustStore
) -> SeenCertificate:
    """Return what a server presented as a fact, judged by the authorities of this machine."""
    moment = datetime.now(UTC)
    if not isinstance(verdict, CertificateVerdict) or not chain:
        reason = str(verdict.reason) if isinstance(verdict, CertificateVerdict) else "absent"
        problem = verdict.problem if isinstance(verdict, CertificateVerdict) else "no certificate was presented"
        return SeenCertificate(reason=reason, problem=shown(problem, MOST_TOLD))
    said = judge_by_tlsa(domain, chain, tlsa, trust=trust, moment=moment) if tlsa else None
    dane = ""
    if said is not None:
        proves = not said.problem and (verdict.valid or not said.needs_path)
        dane = "match" if proves else said.problem or verdict.problem
    return _as_fact(verdict, chain, domain, moment, dane=shown(dane, MOST_TOLD))


def _as_fact(
    verdict: CertificateVerdict,
    chain: tuple[x509.Certificate, ...],
    domain: Domain,
    moment: datetime,
    *,
    dane: str,
) -> SeenCertificate:
    """Return the verdict on a chain as a fact."""
    end = verdict.not_after
    return SeenCertificate(
        reason=str(verdict.reason),
        problem=shown(verdict.problem, MOST_TOLD),
        names=shown(str(verdict.names), MOST_TOLD) if end is not None else "",
        names_domain=_names_domain(chain[0], domain),
        not_before=f"{verdict.not_before:%Y-%m-%d}" if verdict.not_before is not None else "",
        not_after=f"{end:%Y-%m-%d}" if end is not None else "",
        days_left=(end - moment).days if end is not None else 0,
        issuer=shown(verdict.issuer, MOST_TOLD),
        key=verdict.key,
        sent=len(chain),
        ends_in_root=_is_root(chain[-1]),
        purposes=purposes(chain[0]),
        dane=dane,
    )


def _names_domain(leaf: x509.Certificate, domain: Domain) -> bool:
    try:
        return CertificateNames.of(leaf).prove(domain)
    except UNREADABLE:
        return False


def _is_root(certificate: x509.Certificate) -> bool:
    try:
        return certificate.subject == certificate.issuer
    except UNREADABLE:
        return False


def purposes(leaf: x509.Certificate) -> str:
    """Return for which sides of TLS a certificate is: "server", "client", "server client"; empty if for any."""
    try:
        usage = extension_of(leaf, x509.ExtendedKeyUsage)
    except UNREADABLE:
        return ""
    if usage is None or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage:
        return ""
    known = {ExtendedKeyUsageOID.SERVER_AUTH: "server", ExtendedKeyUsageOID.CLIENT_AUTH: "client"}
    return " ".join(word for usage_id, word in known.items() if usage_id in usage)
