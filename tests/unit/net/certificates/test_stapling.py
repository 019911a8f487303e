"""Stapled OCSP answers: whose count, about what and when; and certificates that promise one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.net.certificates.certificate_paths import Reason
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.certificates.stapling import Staple, read_staple
from tests.support.ca import NOW, authority, rsa_key, trusting
from tests.support.throwaway_ca import Authority, Issued

HOUR = timedelta(hours=1)
LEAF = authority().issue("far.test")
PROMISING = authority().issue("far.test", extensions=[x509.TLSFeature([x509.TLSFeatureType.status_request])])
RESPONDER = authority().issue("ocsp.test", purposes=[ExtendedKeyUsageOID.OCSP_SIGNING])
ED25519 = authority().issue(
    "ocsp.test", purposes=[ExtendedKeyUsageOID.OCSP_SIGNING], key=ed25519.Ed25519PrivateKey.generate()
)
# In the name of our authority, but with a key that is not its own.
FORGED = Authority.create("Test CA", moment=NOW).issue("ocsp.test", purposes=[ExtendedKeyUsageOID.OCSP_SIGNING])
NOT_RESPONDER = authority().issue("ocsp.test")
OTHER = Authority.create("Another CA", moment=NOW)
RSA = Authority.create("RSA CA", moment=NOW, key=rsa_key(2048))


def answer(
    about: Issued = LEAF,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    *,
    by: Issued | None = None,
    issuer: Authority | None = None,
    since: timedelta = -HOUR,
    until: timedelta | None = HOUR,
) -> bytes:
    """An answer about a certificate, signed by its issuer unless somebody else is named."""
    issuer = issuer or authority()
    signer = by or issuer.issued
    revoked = NOW - HOUR if status is ocsp.OCSPCertStatus.REVOKED else None
    builder = ocsp.OCSPResponseBuilder().add_response(
        about.certificate,
        issuer.certificate,
        SHA1(),
        status,
        NOW + since,
        NOW + until if until is not None else None,
        revoked,
        None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    if by is not None:
        builder = builder.certificates([by.certificate])
    key: Any = signer.key
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()
    return builder.sign(key, digest).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    ("staple", "worth"),
    [
        (answer(), Staple.GOOD),
        (answer(status=ocsp.OCSPCertStatus.REVOKED), Staple.REVOKED),
        (answer(status=ocsp.OCSPCertStatus.UNKNOWN), Staple.USELESS),
        (answer(by=RESPONDER), Staple.GOOD),
        (answer(by=NOT_RESPONDER), Staple.USELESS),
        (answer(by=OTHER.issue("ocsp.test", purposes=[ExtendedKeyUsageOID.OCSP_SIGNING])), Staple.USELESS),
        (answer(by=OTHER.issued), Staple.USELESS),
        (answer(by=FORGED), Staple.USELESS),
        (answer(by=ED25519), Staple.GOOD),
        (answer(by=ED25519)[:-400], Staple.USELESS),
        (answer(PROMISING), Staple.USELESS),  # about another certificate
        (answer(since=HOUR, until=2 * HOUR), Staple.USELESS),
        (answer(since=-2 * HOUR, until=-HOUR), Staple.USELESS),
        (answer(until=None), Staple.USELESS),
        (answer()[:-1] + b"\0", Staple.USELESS),
        (b"nonsense", Staple.USELESS),
        (b"", Staple.USELESS),
        (
            ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(Encoding.DER),
            Staple.USELESS,
        ),
    ],
)
def test_what_an_answer_is_worth(staple: bytes, worth: Staple) -> None:
    assert read_staple(staple, LEAF.certificate, [authority().certificate], NOW)[0] is worth


def test_an_authority_with_an_rsa_key_signs_answers_too() -> None:
    leaf = RSA.issue("far.test")
    staple = answer(leaf, issuer=RSA)
    assert read_staple(staple, leaf.certificate, [RSA.certificate], NOW) == (Staple.GOOD, None)


@pytest.mark.parametrize(
    ("issued", "staple", "reason"),
    [
        (LEAF, None, Reason.TRUSTED),
        (LEAF, b"", Reason.TRUSTED),
        (LEAF, b"nonsense", Reason.TRUSTED),
        (LEAF, answer(), Reason.TRUSTED),
        (LEAF, answer(status=ocsp.OCSPCertStatus.REVOKED), Reason.REVOKED),
        (PROMISING, answer(PROMISING), Reason.TRUSTED),
        (PROMISING, None, Reason.TRUSTED),  # of a client, which cannot staple
        (PROMISING, b"", Reason.UNACCEPTABLE),
        (PROMISING, b"nonsense", Reason.UNACCEPTABLE),
        (PROMISING, answer(), Reason.UNACCEPTABLE),
    ],
)
def test_what_becomes_of_the_verdict(issued: Issued, staple: bytes | None, reason: Reason) -> None:
    judge = CertificateJudge(trusting(authority()))
    assert judge.judge(issued.chain, NOW, staple).reason is reason
    assert judge.judge(issued.chain, NOW).valid  # what was stapled once is not remembered


def test_a_revoked_certificate_is_told_with_the_means() -> None:
    verdict = CertificateJudge(trusting(authority())).judge(LEAF.chain, NOW, answer(status=ocsp.OCSPCertStatus.REVOKED))
    assert verdict.problem == "the certificate was revoked on 2026-06-15 by 'Test CA' (stapled OCSP)"
