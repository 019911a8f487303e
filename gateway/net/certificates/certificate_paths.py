"""Certification paths: from a peer's certificate to one of our authorities, or the reason why there is none.

`cryptography.x509.verification` finds and verifies the path (RFC 5280 §6: signatures, validity, basicConstraints, path
length, name constraints, unknown critical extensions; no MD5, no SHA-1, no RSA key below 2048 bits). It also has rules
of the web's certificate profile, which are replaced here, because servers in federation use one certificate both as TLS
server and as TLS client:

- extendedKeyUsage: absent, anyExtendedKeyUsage, or including serverAuth, in either direction. Public authorities now
  issue only serverAuth; clientAuth alone was never meant for a domain. For client certificates of people it is the
  other way round.
- keyUsage: if present, an authority's must allow signing certificates (RFC 5280 §6.1.4 n), a peer's need not.
- subjectAltName, authorityKeyIdentifier: optional, and critical or not. Names are checked elsewhere.

Anybody can present certificates that sign each other in circles, and keys that take a thousand times longer than usual
to verify a signature. The path builder would follow every one of these paths. So the way to our authorities is found
first, from the top: no signature is verified with a key for which no authority vouches, and the path builder gets one
path. If there is none, the certificates are followed by their issuers' names to find the first fault, with few
signatures verified.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from enum import Enum, StrEnum
from functools import cache, partial
from itertools import islice, pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, Policy, PolicyBuilder, VerificationError

from gateway.net.certificates.certificate_names import shown
from gateway.net.certificates.trust_store import UNREADABLE, TrustStore, extension_of, name_of
from gateway.xmpp.errors import GatewayError

MOST_INTERMEDIATES = 8
MOST_OF_A_NAME = 3  # intermediates with the same subject; further ones are left out
MOST_PATHS = 3  # that the path builder verifies for one certificate
MOST_SIGNATURES = 12  # verified to find out why there is no path
MOST_COMPARISONS = 100_000  # of the names in a certificate with the name constraints of one authority
SMALLEST_RSA_KEY = 2048  # bits, as the path builder requires of authorities
LARGEST_RSA_KEY = 8192  # bits; the time for a signature grows with the square
LARGEST_RSA_EXPONENT = 2**32  # nearly all have 65537; the time for a signature grows with its length
SMALLEST_CURVE = 224  # bits
SMALLEST_DIGEST = 32  # bytes: SHA-256

CertificationPath = tuple[x509.Certificate, ...]
"""Certificates, each signed by the next; the last one is trusted."""


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
    """A certificate does not lead to any of our authorities: the reason, and the problem in plain words."""

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
    known = _few_of_each_name(intermediates)
    builder = PolicyBuilder().store(trust.store).time(moment).max_chain_depth(MOST_INTERMEDIATES)
    verifier = builder.extension_policies(ca_policy=_authorities(holder), ee_policy=_PEERS).build_client_verifier()
    problem = "it names no issuer that leads to one"
    for between in islice(_ways_up(leaf, known, trust, moment, holder), MOST_PATHS):
        try:
            _check("the certificate", _comparisons(leaf, between))
            return tuple(verifier.verify(leaf, list(between)).chain)
        except VerificationError as error:
            problem = str(error).removeprefix("validation failed: ").removeprefix("candidates exhausted: ")
    _explain(leaf, known, trust, moment, holder)
    raise PathError(Reason.UNACCEPTABLE, f"the certificate leads to no authority: {shown(problem, 200)}")


def _few_of_each_name(intermediates: Iterable[x509.Certificate]) -> list[x509.Certificate]:
    """Return the first few of each subject: an authority has several certificates if others have signed its key."""
    seen: Counter[x509.Name] = Counter()
    few = []
    for certificate in intermediates:
        seen[certificate.subject] += 1
        if seen[certificate.subject] <= MOST_OF_A_NAME:
            few.append(certificate)
    return few


def _ways_up(
    leaf: x509.Certificate,
    intermediates: Sequence[x509.Certificate],
    trust: TrustStore,
    moment: datetime,
    holder: Holder,
) -> Iterator[CertificationPath]:
    """Yield the certificates between the peer's certificate and one of our authorities, the shortest way first.

    Only keys for which an authority vouches are used: each round goes one step down from the authorities.
    """
    if any(has_issued(authority, leaf) for authority in trust.called(leaf.issuer)):
        yield ()
    ways: dict[x509.Certificate, CertificationPath] = {}
    left = [each for each in intermediates if each not in trust]
    above: Sequence[x509.Certificate] | None = None  # None: the authorities themselves
    while left and (above is None or above):
        found: list[x509.Certificate] = []
        for certificate in left:
            named = trust.called(certificate.issuer) if above is None else above
            issuer = next((each for each in named if has_issued(each, certificate)), None)
            if issuer is not None and _is_link(certificate, moment, holder):
                ways[certificate] = (certificate, *ways.get(issuer, ()))
                found.append(certificate)
                if has_issued(certificate, leaf):
                    yield ways[certificate]
        left = [each for each in left if each not in ways]
        above = found


def has_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Return whether one certificate has signed another; an issuer with an unusual key has not."""
    try:
        return issuer.subject == certificate.issuer and _key(issuer) is None and _signed_by(certificate, issuer)
    except UNREADABLE:
        return False


def _is_link(certificate: x509.Certificate, moment: datetime, holder: Holder) -> bool:
    """Return whether an intermediate itself has no fault."""
    try:
        faults = (
            _validity(certificate, moment),
            _key(certificate),
            _may_issue(certificate),
            _purpose(holder, certificate),
        )
    except UNREADABLE:
        return False
    return not any(faults)


def _comparisons(leaf: x509.Certificate, between: CertificationPath) -> _PathFault:
    """Return the fault if the names of a certificate are too many for the constraints of its authorities."""
    for authority in between:
        constraints = extension_of(authority, x509.NameConstraints)
        if constraints is not None:
            names = extension_of(leaf, x509.SubjectAlternativeName)
            limits = len(constraints.permitted_subtrees or ()) + len(constraints.excluded_subtrees or ())
            if names is not None and len(names) * limits > MOST_COMPARISONS:
                return Reason.UNACCEPTABLE, f"has {len(names)} names, too many for the {limits} limits of its authority"
    return None


def _explain(
    leaf: x509.Certificate,
    intermediates: list[x509.Certificate],
    trust: TrustStore,
    moment: datetime,
    holder: Holder,
) -> None:
    """Raise PathError for the first fault on the way up from the peer's certificate, if one is found."""
    _check("the certificate", _is_peer(leaf))
    signatures = _Signatures()
    certificate = leaf
    for _ in range(MOST_INTERMEDIATES + 1):
        title = _title(certificate, leaf)
        _check(title, _signature(certificate))
        issuer = _issuer(certificate, intermediates, trust, signatures)
        if issuer is None:
            raise _unknown_issuer(certificate, leaf)
        _check(_title(issuer, leaf), _key(issuer))
        if not signatures.verify(certificate, issuer):
            raise PathError(Reason.BAD_SIGNATURE, f"the signature of {name_of(issuer.subject)} on {title} is wrong")
        purpose = _purpose(holder, issuer)
        _check(_title(issuer, leaf), _validity(issuer, moment), _may_issue(issuer), purpose)
        if issuer in trust:
            return
        certificate = issuer


class _Signatures:
    """The signatures verified to find a fault: each once, and not many."""

    def __init__(self) -> None:
        self._known: dict[tuple[x509.Certificate, x509.Certificate], bool] = {}

    def verify(self, certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
        """Return whether the issuer has signed the certificate; raise PathError if too many were asked for."""
        pair = certificate, issuer
        if pair not in self._known:
            if len(self._known) >= MOST_SIGNATURES:
                raise PathError(
                    Reason.UNACCEPTABLE, "the certificate leads to no authority, and too many others come with it"
                )
            self._known[pair] = _signed_by(certificate, issuer)
        return self._known[pair]


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
    certificate: x509.Certificate,
    intermediates: list[x509.Certificate],
    trust: TrustStore,
    signatures: _Signatures,
) -> x509.Certificate | None:
    """Return the likely issuer: one whose key matches the signature, else one of that name; None if self-signed."""
    known = (*trust.called(certificate.issuer), *(i for i in intermediates if i.subject == certificate.issuer))
    others = [candidate for candidate in known if candidate != certificate]
    for candidate in others:
        if _key(candidate) is None and signatures.verify(certificate, candidate):
            return candidate
    if not others or (certificate.issuer == certificate.subject and signatures.verify(certificate, certificate)):
        return None
    return others[0]


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def _title(certificate: x509.Certificate, leaf: x509.Certificate) -> str:
    return "the certificate" if certificate is leaf else f"the certificate of {name_of(certificate.subject)}"


# The rules. Each returns None, or a reason and the rest of a sentence that begins with "the certificate".
_PathFault = tuple[Reason, str] | None


def _check(title: str, *faults: _PathFault) -> None:
    for fault in faults:
        if fault:
            raise PathError(fault[0], f"{title} {fault[1]}")


def _validity(certificate: x509.Certificate, moment: datetime) -> _PathFault:
    if moment > certificate.not_valid_after_utc:
        return Reason.EXPIRED, f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if moment < certificate.not_valid_before_utc:
        return Reason.NOT_YET_VALID, f"is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    return None


def _key(certificate: x509.Certificate) -> _PathFault:
    match certificate.public_key():
        case rsa.RSAPublicKey(key_size=size) if size < SMALLEST_RSA_KEY:
            return Reason.WEAK, f"has an RSA key of {size} bits, less than {SMALLEST_RSA_KEY}"
        case rsa.RSAPublicKey(key_size=size) if size > LARGEST_RSA_KEY:
            return Reason.UNACCEPTABLE, f"has an RSA key of {size} bits, more than {LARGEST_RSA_KEY}"
        case rsa.RSAPublicKey() as key if key.public_numbers().e > LARGEST_RSA_EXPONENT:
            return Reason.UNACCEPTABLE, "has an RSA key with an exponent of more than 32 bits"
        case ec.EllipticCurvePublicKey(key_size=size) if size < SMALLEST_CURVE:
            return Reason.WEAK, f"has a key on a curve of {size} bits, less than {SMALLEST_CURVE}"
        case dsa.DSAPublicKey():
            return Reason.WEAK, "has a DSA key"
    return None


def _signature(certificate: x509.Certificate) -> _PathFault:
    algorithm = certificate.signature_hash_algorithm
    if algorithm is None:
        return Reason.UNACCEPTABLE, "is signed with Ed25519 or Ed448, which the path builder does not support"
    if algorithm.digest_size < SMALLEST_DIGEST:
        return Reason.WEAK, f"is signed with {algorithm.name.upper()}, which is too weak"
    return None


def _purpose(holder: Holder, certificate: x509.Certificate) -> _PathFault:
    purposes = extension_of(certificate, x509.ExtendedKeyUsage)
    usage, whose = holder.value
    if purposes is None or usage in purposes or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes:
        return None
    return Reason.WRONG_PURPOSE, f"is not meant for {whose}"


def _may_issue(certificate: x509.Certificate) -> _PathFault:
    if not _is_authority(certificate):
        return Reason.NO_AUTHORITY, "signed another but does not belong to an authority (basicConstraints)"
    usage = extension_of(certificate, x509.KeyUsage)
    if usage and not usage.key_cert_sign:
        return Reason.NO_AUTHORITY, "signed another but may not sign certificates (keyUsage)"
    return None


def _is_peer(certificate: x509.Certificate) -> _PathFault:
    usage = extension_of(certificate, x509.KeyUsage)
    if _is_authority(certificate) or (usage and usage.key_cert_sign):
        return Reason.WRONG_PURPOSE, "belongs to an authority, not to a server"
    return None


def _is_authority(certificate: x509.Certificate) -> bool:
    constraints = extension_of(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


def _validator(rule: Callable[[x509.Certificate], _PathFault]) -> Callable[[Policy, x509.Certificate, object], None]:
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
