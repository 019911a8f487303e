"""Stapled OCSP: what a server's TLS handshake says about the revocation of its certificate (RFC 6960, RFC 6066 §8).

The answer is the authority's, and the server passes it on; the gateway asks nobody for one. A certificate may promise
that there is one (RFC 7633, "must-staple"): without it, somebody else may be using the certificate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from enum import Enum

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, Hash
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.net.certificates.trust_store import UNREADABLE, extension_of


class Staple(Enum):
    """What a stapled answer is worth."""

    GOOD = "good"
    REVOKED = "revoked"
    USELESS = "useless"  # absent, unreadable, of another time, or of nobody who may give it


def must_staple(certificate: x509.Certificate) -> bool:
    """Return whether a certificate promises a stapled answer."""
    features = extension_of(certificate, x509.TLSFeature)
    return features is not None and x509.TLSFeatureType.status_request in features


def read_staple(
    data: bytes, leaf: x509.Certificate, issuers: Sequence[x509.Certificate], moment: datetime
) -> tuple[Staple, datetime | None]:
    """Return what a stapled answer says about the certificate, and since when it is revoked.

    `issuers` are the certificates that may have signed the leaf.
    """
    try:
        answer = ocsp.load_der_ocsp_response(data)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            return Staple.USELESS, None
        for issuer in issuers:
            if not _is_signed(answer, issuer, moment):
                continue
            for single in answer.responses:
                if _is_about(single, leaf, issuer) and _is_of_now(single, moment):
                    return _status(single)
    except (*UNREADABLE, UnsupportedAlgorithm, InvalidSignature):
        pass
    return Staple.USELESS, None


def _status(single: ocsp.OCSPSingleResponse) -> tuple[Staple, datetime | None]:
    if single.certificate_status is ocsp.OCSPCertStatus.REVOKED:
        return Staple.REVOKED, single.revocation_time_utc
    is_good = single.certificate_status is ocsp.OCSPCertStatus.GOOD
    return Staple.GOOD if is_good else Staple.USELESS, None


def _is_of_now(single: ocsp.OCSPSingleResponse, moment: datetime) -> bool:
    until = single.next_update_utc
    return until is not None and single.this_update_utc <= moment < until


def _is_about(single: ocsp.OCSPSingleResponse, leaf: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Return whether it names the certificate, by the digest that all responders use for that."""
    if single.serial_number != leaf.serial_number or not isinstance(single.hash_algorithm, SHA1):
        return False
    name = Hash(SHA1())
    name.update(issuer.subject.public_bytes())
    return single.issuer_name_hash == name.finalize() and single.issuer_key_hash == _key_hash(issuer)


def _is_signed(answer: ocsp.OCSPResponse, issuer: x509.Certificate, moment: datetime) -> bool:
    """Return whether the issuer has signed the answer, or a delegate of the issuer (RFC 6960 §4.2.2.2)."""
    return any(_has_signed(answer, signer) for signer in _signers(answer, issuer, moment))


def _signers(answer: ocsp.OCSPResponse, issuer: x509.Certificate, moment: datetime) -> Iterator[x509.Certificate]:
    if answer.responder_name == issuer.subject or answer.responder_key_hash == _key_hash(issuer):
        yield issuer
    for delegate in answer.certificates:
        purposes = extension_of(delegate, x509.ExtendedKeyUsage) or ()
        is_valid = delegate.not_valid_before_utc <= moment <= delegate.not_valid_after_utc
        if is_valid and ExtendedKeyUsageOID.OCSP_SIGNING in purposes and delegate.issuer == issuer.subject:
            try:
                delegate.verify_directly_issued_by(issuer)
            except InvalidSignature:
                continue
            yield delegate


def _has_signed(answer: ocsp.OCSPResponse, signer: x509.Certificate) -> bool:
    key, digest = signer.public_key(), answer.signature_hash_algorithm
    signed = answer.signature, answer.tbs_response_bytes
    try:
        match key:
            case rsa.RSAPublicKey() if digest is not None:
                key.verify(*signed, padding.PKCS1v15(), digest)
            case ec.EllipticCurvePublicKey() if digest is not None:
                key.verify(*signed, ec.ECDSA(digest))
            case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
                key.verify(*signed)
            case _:
                return False
    except InvalidSignature:
        return False
    return True


def _key_hash(certificate: x509.Certificate) -> bytes:
    """Return the SHA-1 digest of the bits of the certificate's key, which is a name here and no proof (§4.1.1)."""
    return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest
