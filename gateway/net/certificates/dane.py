"""DANE: what TLSA records say about the certificates that a server presented (RFC 6698, RFC 7671, RFC 7673).

    usage  the certificate of    also required
    3      the server itself     nothing: neither a name nor a date                                     RFC 7671 §5.1
    2      its authority         a path to that certificate, and the name of the domain or the server   §5.2
    1      the server itself     a path to an authority of ours, and such a name                        §5.3
    0      its authority         the same; the record has to match on that path                         §5.4

An unusable record counts as absent. Of those with the same usage and selector only the ones with the best digest count,
beside whole certificates (§9). One matching record is enough. If there are usable records and none matches, the
certificate is not the server's, whatever an authority says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256, SHA512, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.net.certificates.certificate_names import CertificateNames
from gateway.net.certificates.certificate_paths import UNREADABLE, PathError, find_path
from gateway.net.certificates.judge import Attestation
from gateway.net.certificates.trust_store import TrustStore
from gateway.net.dns.tlsa import Matching, Selector, TLSARecord, TLSASet, Usage
from gateway.stream.facts import Means
from gateway.xmpp.addresses import Domain

CertificateChain = Sequence[x509.Certificate]
_UsageRule = Callable[[TLSARecord, CertificateChain, "Circumstances"], str]


class Circumstances:
    """What else counts: the names that the certificate may have, the authorities that we trust, and the time."""

    def __init__(self, hosts: Sequence[str], trust: TrustStore, moment: datetime) -> None:
        self._hosts = hosts
        self.trust = trust
        self.moment = moment

    def wrong_name(self, leaf: x509.Certificate) -> str:
        """Return why the certificate has none of the names; empty if it has one."""
        names = CertificateNames.of(leaf)
        if any(names.prove(Domain(host)) for host in self._hosts):
            return ""
        return f"the certificate is not for {' or '.join(self._hosts)}, but for {names}"


def judge_by_tlsa(
    domain: Domain, chain: CertificateChain, tlsa: TLSASet, *, trust: TrustStore, moment: datetime
) -> Attestation | None:
    """Return what the records say about the certificates as proof of the domain; None if none can be used."""
    records = best_records(tlsa.usable)
    if not records:
        return None
    circumstances = Circumstances(tlsa.hosts, trust, moment)
    problems: dict[str, None] = {}
    for record in records:
        try:
            problem = (
                _RULES[Usage(record.usage)](record, chain, circumstances) if chain else "no certificate was presented"
            )
        except PathError as error:
            problem = error.problem
        except UNREADABLE:
            problem = "the certificate cannot be read"
        if not problem:
            return Attestation(
                means=Means.DANE,
                domain=domain,
                record=f"TLSA {record.parameters} of {tlsa.name}",
                needs_path=record.usage in (Usage.PKIX_TA, Usage.PKIX_EE),
            )
        problems[f"{record.parameters}: {problem}"] = None
    told = f"the TLSA records of {tlsa.name} are about another certificate ({'; '.join(problems)})"
    return Attestation(means=Means.DANE, domain=domain, record=f"TLSA of {tlsa.name}", problem=told)


def best_records(records: Iterable[TLSARecord]) -> tuple[TLSARecord, ...]:
    """Leave out digests if there is a better one of the same usage and selector (RFC 7671 §9)."""
    records = tuple(records)
    best: dict[tuple[int, int], int] = {}
    for record in records:
        kind = record.usage, record.selector
        best[kind] = max(best.get(kind, 0), record.matching)
    return tuple(
        record for record in records if record.matching in (Matching.WHOLE, best[record.usage, record.selector])
    )


def association(certificate: x509.Certificate, selector: int, matching: int) -> bytes:
    """Return a certificate's data for a record of these kinds (RFC 6698 §2.1)."""
    if selector == Selector.KEY:
        data = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        data = certificate.public_bytes(Encoding.DER)
    if matching == Matching.WHOLE:
        return data
    digest = Hash(SHA512() if matching == Matching.SHA512 else SHA256())
    digest.update(data)
    return digest.finalize()


def _matches(record: TLSARecord, certificate: x509.Certificate) -> bool:
    return association(certificate, record.selector, record.matching) == record.data


_NO_MATCH = "no match"


def _server(record: TLSARecord, chain: CertificateChain, circumstances: Circumstances) -> str:
    return "" if _matches(record, chain[0]) else _NO_MATCH


def _authority(record: TLSARecord, chain: CertificateChain, circumstances: Circumstances) -> str:
    anchors = [certificate for certificate in _candidates(record, chain) if _matches(record, certificate)]
    if not anchors:
        return _NO_MATCH
    find_path(chain, TrustStore(authorities=tuple(anchors)), circumstances.moment)
    return circumstances.wrong_name(chain[0])


def _candidates(record: TLSARecord, chain: CertificateChain) -> Iterator[x509.Certificate]:
    """Yield the certificates that may be the anchor: those presented, and the record's own if it is a whole one."""
    yield from chain
    if (record.selector, record.matching) == (Selector.CERTIFICATE, Matching.WHOLE):
        yield x509.load_der_x509_certificate(record.data)


def _trusted_server(record: TLSARecord, chain: CertificateChain, circumstances: Circumstances) -> str:
    if not _matches(record, chain[0]):
        return _NO_MATCH
    find_path(chain, circumstances.trust, circumstances.moment)
    return circumstances.wrong_name(chain[0])


def _trusted_authority(record: TLSARecord, chain: CertificateChain, circumstances: Circumstances) -> str:
    path = find_path(chain, circumstances.trust, circumstances.moment)
    if not any(_matches(record, certificate) for certificate in path[1:]):
        return _NO_MATCH
    return circumstances.wrong_name(chain[0])


_RULES: dict[Usage, _UsageRule] = {
    Usage.PKIX_TA: _trusted_authority,
    Usage.PKIX_EE: _trusted_server,
    Usage.DANE_TA: _authority,
    Usage.DANE_EE: _server,
}
