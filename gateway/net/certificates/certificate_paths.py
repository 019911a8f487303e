"""Certification paths: from a peer's certificate to an authority of ours, or the reason why there is none.

`cryptography.x509.verification` finds and verifies the path (RFC 5280 §6: signatures, validity, basicConstraints, path
length, name constraints, unknown critical extensions; no MD5, no SHA-1, no RSA key below 2048 bits). It also has rules
of the web's certificate profile, which are replaced here, because servers in federation use one certificate both as TLS
server and as TLS client:

- extendedKeyUsage: absent, anyExtendedKeyUsage, or including serverAuth, in either direction. Public authorities now
  issue only serverAuth; clientAuth alone was never meant for a domain. For client certificates of people it is the
  other way round.
- keyUsage: if present, an authority's must allow signing certificates (RFC 5280 §6.1.4 n), a peer's need not.
- subjectAltName, authorityKeyIdentifier: optional, and critical or not. Names are checked elsewhere.

If no path is found, the certificates are followed by their issuers' names to find the first fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum, StrEnum
from functools import cache, partial
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, VerificationError

from gateway.net.certificates.certificate_names import shown
from gateway.net.certificates.trust_store import TrustStore, extension_of, name_of
from gateway.xmpp.errors import GatewayError

MOST_INTERMEDIATES = 8
SMALLEST_RSA_KEY = 2048  # bits, as the path builder requires of authorities
SMALLEST_CURVE = 224  # bits
SMALLEST_DIGEST = 32  # bytes: SHA-256

CertificationPath = tuple[x509.Certificate, ...]
"""Certificates, each signed by the next; the last one is trusted."""

# The library's errors for a certificate that it cannot read, whenever it notices.
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class Holder(Enum):
    """The required kind of certificate: for domains, or for people's accounts."""

    SERVER = (ExtendedKeyUsageOID.SERVER_AUTH, "servers (extendedKeyUsage without serverAuth)")
    CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH, "clients (extendedKeyUsage without clientAuth)")


class Reason(StrEnum):
    """Why a peer's certificate is, or is not, trusted: a closed set, for tables, counts and tests."""

    TRUSTED = "trusted"
    ABSENT = "absent"
    UNREADABLE = "unreadable"
    NOT_YET_VALID = "not yet valid"
    EXPIRED = "expired"
    SELF_SIGNED = "self-signed"
    UNKNOWN_AUTHORITY = "unknown authority"
    NO_AUTHORITY = "signed by no authority"
    BAD_SIGNATURE = "bad signature"
    WEAK = "weak"
    WRONG_PURPOSE = "wrong purpose"
    REVOKED = "revoked"
    UNACCEPTABLE = "unacceptable"


class PathError(GatewayError):
    """A certificate does not lead to any authority of ours: the reason, and the problem in plain words."""

    def __init__(self, reason: Reason, problem: str) -> None:
        super().__init__(problem)
        self.reason = reason
        self.problem = problem


def find_path(
    chain: Sequence[x509.Certificate], trust: TrustStore, moment: datetime, holder: Holder = Holder.SERVER
) -> CertificationPath:
    """Return the path from the first certificate of `chain` to an authority, not revoked; raise PathError if there is
    none.
    """
    leaf, *intermediates = chain
    if len(intermediates) > MOST_INTERMEDIATES:
        problem = f"{len(intermediates)} others come with the certificate, more than {MOST_INTERMEDIATES}"
        raise PathError(Reason.UNACCEPTABLE, problem)
    _check("the certificate", _validity(leaf, moment), _key(leaf), _purpose(holder, leaf))
    path = (leaf,) if leaf in trust else _verified(leaf, intermediates, trust, moment, holder)
    for certificate, issuer in pairwise(path):
        if when := trust.revoked(certificate, issuer):
            problem = f"{_title(certificate, leaf)} was revoked on {when:%Y-%m-%d} by {name_of(issuer.subject)}"
            raise PathError(Reason.REVOKED, problem)
    return path


def _verified(
    leaf: x509.Certificate,
    intermediates: list[x509.Certificate],
    trust: TrustStore,
    moment: datetime,
    holder: Holder,
) -> CertificationPath:
    builder = PolicyBuilder().store(trust.store).time(moment).max_chain_depth(MOST_INTERMEDIATES)
    verifier = builder.extension_policies(ca_policy=_authorities(holder), ee_policy=_PEERS).build_client_verifier()
    try:
        return tuple(verifier.verify(leaf, intermediates).chain)
    except VerificationError as error:
        _explain(leaf, intermediates, trust, moment, holder)
        problem = str(error).removeprefix("validation failed: ").removeprefix("candidates exhausted: ")
        raise PathError(Reason.UNACCEPTABLE, f"the certificate leads to no authority: {shown(problem, 200)}") from error


def _explain(
    leaf: x509.Certificate,
    intermediates: list[x509.Certificate],
    trust: TrustStore,
    moment: datetime,
    holder: Holder,
) -> None:
    """Raise PathError for the first fault on the way up from the peer's certificate, if one is found."""
    _check("the certificate", _is_peer(leaf))
    certificate = leaf
    for _ in range(MOST_INTERMEDIATES + 1):
        title = _title(certificate, leaf)
        _check(title, _signature(certificate))
        issuer = _issuer(certificate, intermediates, trust)
        if issuer is None:
            raise _unknown_issuer(certificate, leaf)
        if not _signed_by(certificate, issuer):
            raise PathError(Reason.BAD_SIGNATURE, f"the signature of {name_of(issuer.subject)} on {title} is wrong")
        purpose = _purpose(holder, issuer)
        _check(_title(issuer, leaf), _validity(issuer, moment), _key(issuer), _may_issue(issuer), purpose)
        if issuer in trust:
            return
        certificate = issuer


def _unknown_issuer(certificate: x509.Certificate, leaf: x509.Certificate) -> PathError:
    issuer = name_of(certificate.issuer)
    if certificate.issuer != certificate.subject:
        return PathError(
            Reason.UNKNOWN_AUTHORITY,
            f"{_title(certificate, leaf)} is signed by {issuer}, which is not among our authorities",
        )
    if certificate is leaf:
        return PathError(Reason.SELF_SIGNED, "the certificate is self-signed, and not among those that we trust")
    return PathError(Reason.UNKNOWN_AUTHORITY, f"the certificate leads to {issuer}, which is not among our authorities")


def _issuer(
    certificate: x509.Certificate, intermediates: list[x509.Certificate], trust: TrustStore
) -> x509.Certificate | None:
    """Return the likely issuer: one whose key matches the signature, else one of that name; None if self-signed."""
    known = (*trust.called(certificate.issuer), *(i for i in intermediates if i.subject == certificate.issuer))
    others = [candidate for candidate in known if candidate != certificate]
    for candidate in others:
        if _signed_by(certificate, candidate):
            return candidate
    return None if not others or _signed_by(certificate, certificate) else others[0]


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def _title(certificate: x509.Certificate, leaf: x509.Certificate) -> str:
    return "the certificate" if certificate is leaf else f"the certificate of {name_of(certificate.subject)}"


# The rules. Each returns None, or a reason and the rest of a sentence that begins with "the certificate".
_Fault = tuple[Reason, str] | None


def _check(title: str, *faults: _Fault) -> None:
    for fault in faults:
        if fault:
            raise PathError(fault[0], f"{title} {fault[1]}")


def _validity(certificate: x509.Certificate, moment: datetime) -> _Fault:
    if moment > certificate.not_valid_after_utc:
        return Reason.EXPIRED, f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if moment < certificate.not_valid_before_utc:
        return Reason.NOT_YET_VALID, f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    return None


def _key(certificate: x509.Certificate) -> _Fault:
    match certificate.public_key():
        case rsa.RSAPublicKey(key_size=size) if size < SMALLEST_RSA_KEY:
            return Reason.WEAK, f"has an RSA key of {size} bits, less than {SMALLEST_RSA_KEY}"
        case ec.EllipticCurvePublicKey(key_size=size) if size < SMALLEST_CURVE:
            return Reason.WEAK, f"has a key on a curve of {size} bits, less than {SMALLEST_CURVE}"
        case dsa.DSAPublicKey():
            return Reason.WEAK, "has a DSA key"
    return None


def _signature(certificate: x509.Certificate) -> _Fault:
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None:
        return Reason.UNACCEPTABLE, "is signed with Ed25519 or Ed448, which the path builder does not support"
    if algorithm.digest_size < SMALLEST_DIGEST:
        return Reason.WEAK, f"is signed with {algorithm.name.upper()}, which is too weak"
    return None


def _purpose(holder: Holder, certificate: x509.Certificate) -> _Fault:
    purposes = extension_of(certificate, x509.ExtendedKeyUsage)
    usage, whose = holder.value
    if purposes is None or usage in purposes or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes:
        return None
    return Reason.WRONG_PURPOSE, f"is not meant for {whose}"


def _may_issue(certificate: x509.Certificate) -> _Fault:
    if not _is_authority(certificate):
        return Reason.NO_AUTHORITY, "signed another but does not belong to an authority (basicConstraints)"
    usage = extension_of(certificate, x509.KeyUsage)
    if usage and not usage.key_cert_sign:
        return Reason.NO_AUTHORITY, "signed another but may not sign certificates (keyUsage)"
    return None


def _is_peer(certificate: x509.Certificate) -> _Fault:
    usage = extension_of(certificate, x509.KeyUsage)
    if _is_authority(certificate) or (usage and usage.key_cert_sign):
        return Reason.WRONG_PURPOSE, "belongs to an authority, not to a server"
    return None


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = extension_of(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _validator(rule: Callable[[x509.Certificate], _Fault]) -> Callable[[Policy, x509.Certificate, object], None]:
    """Return the rule in the form that the path builder takes, for any extension."""

    def validate(_policy: Policy, certificate: x509.Certificate, _extension: object) -> None:
        _check("the certificate", rule(certificate))

    return validate


_ANY = Criticality.AGNOSTIC
_PEERS = ExtensionPolicy.permit_all().may_be_present(x509.BasicConstraints, _ANY, _validator(_is_peer))


@cache
def _authorities(holder: Holder) -> ExtensionPolicy:
    return (
        ExtensionPolicy.permit_all()
        .require_present(x509.BasicConstraints, _ANY, _validator(_may_issue))
        .may_be_present(x509.ExtendedKeyUsage, _ANY, _validator(partial(_purpose, holder)))
    )
