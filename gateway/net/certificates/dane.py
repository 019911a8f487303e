"""DANE: what TLSA records say about the certificates that a server presented (RFC 6698, RFC 7671, RFC 7673).

    usage  the certificate of    also required
    3      the server itself     nothing: neither a name nor a date                                     RFC 7671 §5.1
    2      its authority         a path to that certificate, and the name of the domain or the server   §5.2
    1      the server itself     a path to one of our authorities, and such a name                        §5.3
    0      its authority         the same; the record has to match on that path                         §5.4

An unusable record counts as absent. Of those with the same usage and selector only the ones with the best digest count,
beside whole certificates (§9). One matching record is enough. If there are usable records and none matches, the
certificate is not the server's, whatever an authority says.

A domain can publish as many records as fit into an answer. So each digest is computed once for all records, and so is
each path: to our authorities, and to those that the records of usage 2 name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256, SHA512, Hash
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.net.certificates.certificate_names import CertificateNames
from gateway.net.certificates.certificate_paths import CertificationPath, PathError, find_path
from gateway.net.certificates.judge import Attestation
from gateway.net.certificates.trust_store import UNREADABLE, TrustStore
from gateway.net.dns.tlsa import Matching, Selector, TLSARecord, TLSASet, Usage
from gateway.stream.facts import Means
from gateway.xmpp.addresses import Domain

CertificateChain = Sequence[x509.Certificate]
_UsageRule = Callable[[TLSARecord, CertificateChain, "Circumstances"], str]


class Circumstances:
    """What else counts: the names that the certificate may have, the authorities that we trust, and the time."""

    def __init__(
        self,
        records: Sequence[TLSARecord],
        chain: CertificateChain,
        hosts: Sequence[str],
        trust: TrustStore,
        moment: datetime,
    ) -> None:
        self._records = records
        self._chain = chain
        self._hosts = hosts
        self._trust = trust
        self._moment = moment

        self._data: dict[tuple[x509.Certificate, int, int], bytes] = {}

    def match(self, record: TLSARecord, certificate: x509.Certificate) -> bool:
        """Return whether a record is about a certificate."""
        key = certificate, record.selector, record.matching
        data = self._data.get(key)
        if data is None:
            data = self._data[key] = association(*key)
        return data == record.data

    def anchors(self, record: TLSARecord) -> list[x509.Certificate]:
        """Return the certificates that a record of usage 2 is about: of those presented, or its own."""
        return [each for each in _candidates(record, self._chain) if self.match(record, each)]

    @cached_property
    def path(self) -> CertificationPath | PathError:
        """The path to one of our authorities, or why there is none."""
        return self._path_to(self._trust)

    @cached_property
    def path_to_anchor(self) -> CertificationPath | PathError:
        """The path to an authority that a record of usage 2 is about, or why there is none."""
        anchors: dict[x509.Certificate, None] = {}
        for record in self._records:
            if record.usage == Usage.DANE_TA:
                with suppress(*UNREADABLE):
                    anchors.update(dict.fromkeys(self.anchors(record)))
        return self._path_to(TrustStore(authorities=tuple(anchors)))

    def _path_to(self, trust: TrustStore) -> CertificationPath | PathError:
        try:
            return find_path(self._chain, trust, self._moment)
        except PathError as error:
            return error

    @cached_property
    def wrong_name(self) -> str:
        """The reason why the certificate has none of the names; empty if it has one."""
        names = CertificateNames.of(self._chain[0])
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
    circumstances = Circumstances(records, chain, tlsa.hosts, trust, moment)
    problems: dict[str, None] = {}
    for record in records:
        try:
            problem = (
                _RULES[Usage(record.usage)](record, chain, circumstances) if chain else "no certificate was presented"
            )
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


_NO_MATCH = "no match"


def _server(record: TLSARecord, chain: CertificateChain, circumstances: Circumstances) -> str:
    return "" if circumstances.match(record, chain[0]) else _NO_MATCH


def _authority(record: TLSARecord, chain: CertificateChain, circumstances: Circumstances) -> str:
    if not circumstances.anchors(record):
        return _NO_MATCH
    path = circumstances.path_to_anchor
    if isinstance(path, PathError):
        return path.problem
    return circumstances.wrong_name if circumstances.match(record, path[-1]) else _NO_MATCH


def _candidates(record: TLSARecord, chain: CertificateChain) -> Iterator[x509.Certificate]:
    """Yield the certificates that may be the anchor: those presented, and the record's own if it is a whole one."""
    yield from chain
    if (record.selector, record.matching) == (Selector.CERTIFICATE, Matching.WHOLE):
        yield x509.load_der_x509_certificate(record.data)


def _trusted_server(record: TLSARecord, chain: CertificateChain, circumstances: Circumstances) -> str:
    if not circumstances.match(record, chain[0]):
        return _NO_MATCH
    path = circumstances.path
    return path.problem if isinstance(path, PathError) else circumstances.wrong_name


def _trusted_authority(record: TLSARecord, chain: CertificateChain, circumstances: Circumstances) -> str:
    path = circumstances.path
    if isinstance(path, PathError):
        return path.problem
    if not any(circumstances.match(record, certificate) for certificate in path[1:]):
        return _NO_MATCH
    return circumstances.wrong_name


_RULES: dict[Usage, _UsageRule] = {
    Usage.PKIX_TA: _trusted_authority,
    Usage.PKIX_EE: _trusted_server,
    Usage.DANE_TA: _authority,
    Usage.DANE_EE: _server,
}
