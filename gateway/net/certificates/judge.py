"""The judgement on a peer's certificate: whether it is trusted, and which domains it proves (RFC 6120 §13.7.2).

TLS starts with any certificate, or none; it is judged afterwards, so that a peer whose certificate fails can still be
told why, and can still prove its domain by dialback if that is allowed. A verdict has two separate parts: the path to
an authority (`valid`), and the names (`proves`), which count only on a valid path.

Judging takes some hundred microseconds for signatures, and peers come back with the same certificates. So verdicts are
cached, in bounded number, by the certificates and by everything that we trust; each until the next moment at which time
could change it (when one of the certificates becomes valid or expires), and never longer than an hour. Anybody can make
up certificates that lead nowhere; once those are the greater part, they push out only each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.bounds.tables import Bounded
from gateway.net.certificates.certificate_names import SERVER, CertificateNames, shown
from gateway.net.certificates.certificate_paths import (
    CertificationPath,
    Holder,
    PathError,
    Reason,
    find_path,
    has_issued,
)
from gateway.net.certificates.revocation import FetchedLists
from gateway.net.certificates.stapling import Staple, must_staple, read_staple
from gateway.net.certificates.trust_store import UNREADABLE, TrustStore, extension_of, name_of
from gateway.stream.facts import Means
from gateway.xmpp.addresses import Domain

MOST_VERDICTS = 4096
LONGEST = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Attestation:
    """What a domain says elsewhere about one certificate: the means and the record, and why it does not prove it.

    `needs_path`: it counts only if the certificate also leads to one of our authorities.
    """

    means: Means
    domain: Domain
    record: str
    problem: str = ""
    needs_path: bool = False


@dataclass(frozen=True, kw_only=True)
class CertificateVerdict:
    """The judgement on one certificate: `reason` for tables, `problem` for people, empty if it is trusted.

    The attestations are other evidence than authorities: each is about one domain and one means of proof.
    """

    reason: Reason
    problem: str = ""
    names: CertificateNames = field(default_factory=CertificateNames)
    not_after: datetime | None = None
    not_before: datetime | None = None
    fingerprint: str = ""
    key: str = ""  # SHA-256 of its subjectPublicKeyInfo, in hex
    issuer: str = ""
    service: str = SERVER  # the service that the certificate must be for, if a name in it is limited to one
    attestations: tuple[Attestation, ...] = ()
    must_staple: bool = False  # the certificate promises a stapled OCSP answer
    unchecked: str = ""  # which revocation list, of those that the certificates name, is not available

    @cached_property
    def valid(self) -> bool:
        """Return whether the certificate leads to one of our authorities, at that moment, and is not revoked."""
        return self.reason is Reason.TRUSTED

    @property
    def has_expired(self) -> bool:
        """Return whether the fault is that a certificate has expired."""
        return self.reason is Reason.EXPIRED

    @property
    def is_revoked(self) -> bool:
        """Return whether an authority has revoked it."""
        return self.reason is Reason.REVOKED

    @cached_property
    def description(self) -> str:
        """Return its names and its last day, in words; bounded, because certificates may contain anything."""
        if self.not_after is None:
            return self.problem
        return f"for {self.names}, valid until {self.not_after:%Y-%m-%d}"

    def accounts(self, domain: Domain) -> frozenset[str]:
        """Return the bare JIDs of that domain that the certificate names, none unless it is valid (XEP-0178 §2)."""
        return self.names.accounts(domain) if self.valid else frozenset()

    def proves(self, domain: Domain, means: Means = Means.EXTERNAL) -> bool:
        """Return whether the certificate proves exactly that domain: by an authority and its names, or by an
        attestation.
        """
        if means is Means.EXTERNAL:
            return self.valid and self.names.prove(domain, self.service)
        said = self._attestation(domain, means)
        return said is not None and not said.problem and (self.valid or not said.needs_path)

    def why_not(self, domain: Domain, means: Sequence[Means] = (Means.EXTERNAL,)) -> str:
        """Return why the certificate proves that domain by none of these means; empty if it does."""
        for each in means:
            if self.proves(domain, each):
                return ""
        problems = dict.fromkeys([self._problem(domain, each) for each in means])
        return "; ".join(filter(None, problems)) or f"no proof by {' or '.join(means)} was found"

    def _problem(self, domain: Domain, means: Means) -> str:
        if means is Means.EXTERNAL:
            return self.problem or f"the certificate is not for {domain}, but for {self.names}"
        said = self._attestation(domain, means)
        return (said.problem or self.problem) if said is not None else ""

    def record(self, domain: Domain, means: Means) -> str:
        """Return the record by which the certificate proves that domain; empty if it is an authority."""
        said = self._attestation(domain, means)
        return said.record if said is not None else ""

    def _attestation(self, domain: Domain, means: Means) -> Attestation | None:
        return next((said for said in self.attestations if said.means is means and said.domain == domain), None)

    def with_attestations(self, *attestations: Attestation) -> CertificateVerdict:
        """Return the same verdict, with these added to its attestations."""
        return replace(self, attestations=(*self.attestations, *attestations)) if attestations else self


NO_CERTIFICATE = CertificateVerdict(reason=Reason.ABSENT, problem="no certificate was presented")


class CertificateJudge:
    """Judges certificates and caches the verdicts; `warn` is called about stale revocation lists."""

    def __init__(
        self,
        trust: TrustStore,
        *,
        holder: Holder = Holder.SERVER,
        service: str = SERVER,
        warn: Callable[[str], None] = lambda warning: None,
        lists: FetchedLists | None = None,
        capacity: int = MOST_VERDICTS,
    ) -> None:
        self.trust = trust
        self.lists = lists or FetchedLists()
        self._holder = holder
        self._service = service
        self._warn = warn
        self._warned: set[str] = set()
        self._remembered: Bounded[tuple[bytes, ...], _Remembered] = Bounded(capacity)

    def judge(
        self, chain: Sequence[x509.Certificate], moment: datetime, staple: bytes | None = None
    ) -> CertificateVerdict:
        """Return the verdict on a chain as presented: the peer's certificate first, then others that may help.

        `staple` is the OCSP answer that a server has stapled, empty if it has none; None where none can be.
        """
        verdict = self._judge(chain, moment)
        if staple is None or not _depends_on(staple, verdict):
            return verdict
        return self._stapled(verdict, chain, moment, staple)

    def recall(
        self, fingerprints: Sequence[bytes], moment: datetime, staple: bytes | None = None
    ) -> CertificateVerdict | None:
        """Return the verdict on a chain that was judged before, by the SHA-256 fingerprints of its certificates.

        None means that the certificates have to be read: then ask `judge`.
        """
        if not fingerprints:
            return NO_CERTIFICATE
        verdict = self._recalled(self._key(fingerprints), moment)
        if verdict is None or (staple is not None and _depends_on(staple, verdict)):
            return None
        return verdict

    def _stapled(
        self, verdict: CertificateVerdict, chain: Sequence[x509.Certificate], moment: datetime, staple: bytes
    ) -> CertificateVerdict:
        """Return the verdict as what was stapled in the handshake changes it."""
        leaf = chain[0]
        named = dict.fromkeys((*self.trust.called(leaf.issuer), *chain[1:]))
        issuers = [each for each in named if has_issued(each, leaf)]  # anybody can make one of that name
        status, since = read_staple(staple, leaf, issuers, moment)
        if status is Staple.REVOKED:
            when = f" on {since:%Y-%m-%d}" if since is not None else ""
            problem = f"the certificate was revoked{when} by {name_of(leaf.issuer)} (stapled OCSP)"
            return replace(verdict, reason=Reason.REVOKED, problem=problem)
        if verdict.must_staple and status is not Staple.GOOD:
            problem = "the certificate promises a stapled OCSP answer (must-staple), and there is none that can be used"
            return replace(verdict, reason=Reason.UNACCEPTABLE, problem=problem)
        return verdict

    def _judge(self, chain: Sequence[x509.Certificate], moment: datetime) -> CertificateVerdict:
        if not chain:
            return NO_CERTIFICATE
        key = self._key([certificate.fingerprint(SHA256()) for certificate in chain])
        known = self._recalled(key, moment)
        if known is not None:
            return known
        self._warn_of_stale_lists(moment)
        verdict, judged = _decide(chain, self.trust, self.lists, moment, self._holder)
        verdict = self._remember(key, moment, replace(verdict, service=self._service), judged)
        if verdict.valid:
            self.lists.want(tuple(judged))
        return verdict

    def _key(self, fingerprints: Sequence[bytes]) -> tuple[bytes, ...]:
        return (b"%s%d" % (self.trust.generation, self.lists.generation), *fingerprints)

    def _recalled(self, key: tuple[bytes, ...], moment: datetime) -> CertificateVerdict | None:
        remembered = self._remembered.touch(key)
        if remembered is None or not remembered.since <= moment < remembered.until:
            return None
        return remembered.verdict

    def _remember(
        self, key: tuple[bytes, ...], moment: datetime, verdict: CertificateVerdict, judged: Sequence[x509.Certificate]
    ) -> CertificateVerdict:
        remembered = _Remembered(moment, _next_change(judged, moment), verdict)
        self._remembered.put(key, remembered, None if verdict.valid else "untrusted")
        return verdict

    def _warn_of_stale_lists(self, moment: datetime) -> None:
        for warning in self.trust.stale_lists(moment):
            if warning not in self._warned:
                self._warned.add(warning)
                self._warn(warning)


def _depends_on(staple: bytes, verdict: CertificateVerdict) -> bool:
    """Return whether what was stapled, or that nothing was, can change a verdict."""
    return verdict.valid and (bool(staple) or verdict.must_staple)


class _Remembered(NamedTuple):
    since: datetime
    until: datetime
    verdict: CertificateVerdict


def _decide(
    chain: Sequence[x509.Certificate], trust: TrustStore, lists: FetchedLists, moment: datetime, holder: Holder
) -> tuple[CertificateVerdict, Sequence[x509.Certificate]]:
    """Return the verdict, and the certificates whose validity it depends on.

    The path comes first: if a certificate does not lead to one of our authorities, hardly any of its names are read.
    """
    leaf = chain[0]
    try:
        try:
            path = find_path(chain, trust, moment, holder)
            if problem := lists.revoked(path):
                raise PathError(Reason.REVOKED, problem)
        except PathError as error:
            return _verdict(leaf, error.reason, error.problem, CertificateNames.for_display(leaf)), chain
        names = CertificateNames.of(leaf)
        believed = names.of_hosts_only() if _is_constrained(path) else names
    except UNREADABLE as error:
        return unreadable(error), chain
    verdict = _verdict(leaf, Reason.TRUSTED, "", believed)
    return replace(verdict, unchecked=lists.unchecked(path, moment), must_staple=must_staple(leaf)), path


def _verdict(leaf: x509.Certificate, reason: Reason, problem: str, names: CertificateNames) -> CertificateVerdict:
    return CertificateVerdict(
        reason=reason,
        problem=problem,
        names=names,
        not_after=leaf.not_valid_after_utc,
        not_before=leaf.not_valid_before_utc,
        key=key_digest(leaf),
        issuer=name_of(leaf.issuer),
        fingerprint=leaf.fingerprint(SHA256()).hex(),
    )


def key_digest(certificate: x509.Certificate) -> str:
    """Return the SHA-256 digest of the certificate's subjectPublicKeyInfo in hex, as `pin` in `[peers]` has it."""
    return sha256(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def unreadable(error: Exception) -> CertificateVerdict:
    """Return the verdict on a certificate that no library can read."""
    return CertificateVerdict(reason=Reason.UNREADABLE, problem=f"the certificate cannot be read: {shown(str(error))}")


def _is_constrained(path: CertificationPath) -> bool:
    """Return whether an authority on the path may name only some hosts (nameConstraints, RFC 5280 §4.2.1.10).

    Constraints on dNSNames do not apply to otherNames. An authority that is limited to some hosts was not meant to
    certify any domain by SRVName or XmppAddr, so these do not count then.
    """
    return any(extension_of(authority, x509.NameConstraints) for authority in path[1:])


def _next_change(judged: Sequence[x509.Certificate], moment: datetime) -> datetime:
    """Return until when a verdict reached at `moment` may be reused; validity is counted in whole seconds."""
    begins = [certificate.not_valid_before_utc for certificate in judged]
    ends = [certificate.not_valid_after_utc + timedelta(seconds=1) for certificate in judged]
    return min([moment + LONGEST, *(limit for limit in begins + ends if limit > moment)])
