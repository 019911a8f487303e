"""Certificates for tests: the throw-away authority around one moment, and signatures it would refuse."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.net.certificates.trust_store import TrustStore
from tests.support.throwaway_ca import Authority, Issued

NOW = datetime(2026, 6, 15, 12, 0, tzinfo=UTC)
"""The moment at which tests judge; clocks stand still there."""

# sha256WithRSAEncryption and its weak brothers differ in the last byte of the OID 1.2.840.113549.1.1.
_RSA_SIGNATURE = bytes.fromhex("2a864886f70d0101")
_WEAK = {"MD5": (4, hashes.MD5()), "SHA1": (5, hashes.SHA1()), "SHA224": (14, hashes.SHA224())}


def authority(name: str = "Test CA") -> Authority:
    """A root for tests, one for each name."""
    return _authority(name)


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """An RSA key of that size; made once, because making one takes its time."""
    return rsa.generate_private_key(65537, bits)


@cache
def _authority(name: str) -> Authority:
    return Authority.create(name, moment=NOW)


def trusting(*authorities: Authority) -> TrustStore:
    """A trust store with the certificates of these authorities."""
    return TrustStore(authorities=tuple(each.certificate for each in authorities or (authority(),)))


def revocations(pem: bytes) -> x509.CertificateRevocationList:
    """A revocation list as the trust store holds it."""
    return x509.load_pem_x509_crl(pem)


def weakly_signed(issued: Issued, signer: rsa.RSAPrivateKey, algorithm: str) -> Issued:
    """The same certificate, signed again with a hash that the library no longer signs with."""
    last_byte, digest = _WEAK[algorithm]
    der = issued.certificate.public_bytes(Encoding.DER)
    der = der.replace(_RSA_SIGNATURE + b"\x0b", _RSA_SIGNATURE + bytes([last_byte]))
    signature = signer.sign(x509.load_der_x509_certificate(der).tbs_certificate_bytes, padding.PKCS1v15(), digest)
    weak = x509.load_der_x509_certificate(der[: -len(signature)] + signature)
    return Issued(chain=(weak, *issued.chain[1:]), key=issued.key)
