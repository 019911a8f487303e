"""H-13: a certificate without a good path to one of our authorities proves nothing (CVE-2019-12855, CVE-2022-45197)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from gateway.net.certificates.certificate_paths import Reason
from gateway.net.certificates.judge import CertificateJudge, CertificateVerdict
from gateway.net.certificates.trust_store import TrustStore
from gateway.xmpp.addresses import prepare_domain
from tests.support.ca import NOW, authority, revocations, rsa_key, trusting, weakly_signed
from tests.support.throwaway_ca import DAY, Authority, Issued, self_signed

EXAMPLE = prepare_domain("example.test")
STRANGER = "Strange CA"
AUTHORITY = x509.BasicConstraints(ca=True, path_length=None)
NO_AUTHORITY = x509.BasicConstraints(ca=False, path_length=None)
HOSTS = x509.DNSName


@dataclass(frozen=True)
class Case:
    """What is shown, why it is refused, and the sentence that says so to people."""

    situation: str
    shown: Callable[[], Issued]
    reason: Reason
    problem: str


def usage(*, key_cert_sign: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not key_cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def under(intermediate: Authority) -> Issued:
    return intermediate.issue("example.test")


def rsa_root() -> Authority:
    return Authority.create("RSA CA", moment=NOW, key=rsa_key(2048))


def forged() -> Issued:
    """A certificate in the name of our authority, signed by a key that is not its own."""
    return Authority.create("Test CA", moment=NOW).issue("example.test")


class TooLong:
    """A key that nobody has; its public half is enough for a certificate."""

    def public_key(self) -> rsa.RSAPublicKey:
        return rsa.RSAPublicNumbers(65537, 2**8199 + 1).public_key()


def with_weak_intermediate() -> Issued:
    root = rsa_root()
    intermediate = root.intermediate("Weak", key=rsa_key(2048))
    weak = weakly_signed(intermediate.issued, rsa_key(2048), "SHA1")
    return under(Authority(issued=weak, moment=NOW))


def limited(**subtrees: list[x509.GeneralName]) -> Authority:
    constraints = x509.NameConstraints(
        permitted_subtrees=subtrees.get("permitted"), excluded_subtrees=subtrees.get("excluded")
    )
    return authority().intermediate("Limited", extensions=[AUTHORITY, constraints])


CASES = [
    Case("no certificate", lambda: Issued(chain=(), key=None), Reason.ABSENT, "no certificate was presented"),
    Case(
        "expired",
        lambda: authority().issue("example.test", begins=NOW - 9 * DAY, ends=NOW - 2 * DAY),
        Reason.EXPIRED,
        "the certificate expired on 2026-06-13",
    ),
    Case(
        "not yet valid",
        lambda: authority().issue("example.test", begins=NOW + DAY),
        Reason.NOT_YET_VALID,
        "the certificate is not valid before 2026-06-16",
    ),
    Case(
        "unknown authority",
        lambda: authority(STRANGER).issue("example.test"),
        Reason.UNKNOWN_AUTHORITY,
        "the certificate is signed by 'Strange CA', which is not among our authorities",
    ),
    Case(
        "unknown authority that comes along",
        lambda: replace(
            issued := authority(STRANGER).issue("example.test"),
            chain=(*issued.chain, authority(STRANGER).certificate),
        ),
        Reason.UNKNOWN_AUTHORITY,
        "the certificate leads to 'Strange CA', which is not among our authorities",
    ),
    Case(
        "intermediate of an unknown authority",
        lambda: under(authority(STRANGER).intermediate()),
        Reason.UNKNOWN_AUTHORITY,
        "the certificate of 'Throw-away Intermediate' is signed by 'Strange CA', which is not among our authorities",
    ),
    Case(
        "intermediate left out",
        lambda: replace(issued := under(authority().intermediate("Lost")), chain=issued.chain[:1]),
        Reason.UNKNOWN_AUTHORITY,
        "the certificate is signed by 'Lost', which is not among our authorities",
    ),
    Case(
        "self-signed",
        lambda: self_signed("example.test", moment=NOW),
        Reason.SELF_SIGNED,
        "the certificate is self-signed, and not among those that we trust",
    ),
    Case(
        "a key that is slow to verify with",
        lambda: authority().issue("example.test", key=TooLong()),  # type: ignore[arg-type]
        Reason.UNACCEPTABLE,
        "the certificate has an RSA key of 8200 bits, more than 8192",
    ),
    Case(
        "more names than can be compared with the limits of the authority",
        lambda: limited(permitted=[HOSTS(f"h{number}.test") for number in range(400)]).issue(
            *(f"h{number}.test" for number in range(300))
        ),
        Reason.UNACCEPTABLE,
        "has 300 names, too many for the 400 limits of its authority",
    ),
    Case("forged", forged, Reason.BAD_SIGNATURE, "the signature of 'Test CA' on the certificate is wrong"),
    Case(
        "expired intermediate",
        lambda: under(authority().intermediate("Old", ends=NOW - DAY)),
        Reason.EXPIRED,
        "the certificate of 'Old' expired on 2026-06-14",
    ),
    Case(
        "future intermediate",
        lambda: under(authority().intermediate("Young", begins=NOW + DAY)),
        Reason.NOT_YET_VALID,
        "the certificate of 'Young' is not valid before 2026-06-16",
    ),
    Case(
        "intermediate without basicConstraints",
        lambda: under(authority().intermediate("Nobody", extensions=[usage(key_cert_sign=True)])),
        Reason.NO_AUTHORITY,
        "the certificate of 'Nobody' signed another but does not belong to an authority (basicConstraints)",
    ),
    Case(
        "intermediate that is no authority",
        lambda: under(authority().intermediate("Nobody", extensions=[NO_AUTHORITY])),
        Reason.NO_AUTHORITY,
        "the certificate of 'Nobody' signed another but does not belong to an authority (basicConstraints)",
    ),
    Case(
        "server that signs for another",
        lambda: under(Authority(issued=authority().issue("evil.test"), moment=NOW)),
        Reason.NO_AUTHORITY,
        "the certificate of 'evil.test' signed another but does not belong to an authority (basicConstraints)",
    ),
    Case(
        "intermediate whose key may not sign",
        lambda: under(authority().intermediate("Mute", extensions=[AUTHORITY, usage(key_cert_sign=False)])),
        Reason.NO_AUTHORITY,
        "the certificate of 'Mute' signed another but may not sign certificates (keyUsage)",
    ),
    Case(
        "authority in place of a server",
        lambda: authority().intermediate("Vain").issued,
        Reason.WRONG_PURPOSE,
        "the certificate belongs to an authority, not to a server",
    ),
    Case(
        "server whose key may sign",
        lambda: authority().issue("example.test", extensions=[usage(key_cert_sign=True)]),
        Reason.WRONG_PURPOSE,
        "the certificate belongs to an authority, not to a server",
    ),
    Case(
        "path longer than allowed",
        lambda: under(authority().intermediate("Short", path_length=0).intermediate("Long")),
        Reason.UNACCEPTABLE,
        "the certificate leads to no authority: path length constraint violated",
    ),
    Case(
        "name not among those permitted",
        lambda: under(limited(permitted=[HOSTS("other.test")])),
        Reason.UNACCEPTABLE,
        "the certificate leads to no authority: no permitted name constraints matched SAN",
    ),
    Case(
        "name among those excluded",
        lambda: under(limited(excluded=[HOSTS("example.test")])),
        Reason.UNACCEPTABLE,
        "the certificate leads to no authority: excluded name constraint matched SAN",
    ),
    Case(
        "critical extension that nobody knows",
        lambda: authority().issue(
            "example.test",
            extensions=[x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")],
            critical=(x509.UnrecognizedExtension,),
        ),
        Reason.UNACCEPTABLE,
        "certificate contains unaccounted-for critical extensions",
    ),
    Case(
        "RSA key of 1024 bits",
        lambda: authority().issue("example.test", key=rsa_key(1024)),
        Reason.WEAK,
        "the certificate has an RSA key of 1024 bits, less than 2048",
    ),
    Case(
        "intermediate with an RSA key of 1024 bits",
        lambda: under(authority().intermediate("Small", key=rsa_key(1024))),
        Reason.WEAK,
        "the certificate of 'Small' has an RSA key of 1024 bits, less than 2048",
    ),
    Case(
        "elliptic curve of 192 bits",
        lambda: authority().issue("example.test", key=ec.generate_private_key(ec.SECP192R1())),
        Reason.WEAK,
        "the certificate has a key on a curve of 192 bits, less than 224",
    ),
    Case(
        "DSA key",
        lambda: authority().issue("example.test", key=dsa.generate_private_key(2048)),
        Reason.WEAK,
        "the certificate has a DSA key",
    ),
    *(
        Case(
            f"signed with {algorithm}",
            lambda algorithm=algorithm: weakly_signed(rsa_root().issue("example.test"), rsa_key(2048), algorithm),
            Reason.WEAK,
            f"the certificate is signed with {algorithm}, which is too weak",
        )
        for algorithm in ("MD5", "SHA1", "SHA224")
    ),
    Case(
        "intermediate signed with SHA-1",
        with_weak_intermediate,
        Reason.WEAK,
        "the certificate of 'Weak' is signed with SHA1, which is too weak",
    ),
    Case(
        "signed with Ed25519",
        lambda: Authority.create("Modern", moment=NOW, key=ed25519.Ed25519PrivateKey.generate()).issue("example.test"),
        Reason.UNACCEPTABLE,
        "the certificate is signed with Ed25519 or Ed448, which the path builder does not support",
    ),
    Case(
        "more certificates than any path needs",
        lambda: replace(issued := authority().issue("example.test"), chain=issued.chain * 10),
        Reason.UNACCEPTABLE,
        "9 others come with the certificate, more than 8",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.situation)
def test_h_13_certificate_without_a_good_path(case: Case) -> None:
    verdict = judge(case.shown(), trusting(authority(), rsa_root()))
    assert (verdict.valid, verdict.reason) == (False, case.reason), verdict.problem
    assert case.problem in verdict.problem
    assert not verdict.proves(EXAMPLE)
    assert verdict.why_not(EXAMPLE) == verdict.problem


def test_h_13_wrong_name_on_a_good_path() -> None:
    verdict = judge(authority().issue("other.test", "*.other.test"))
    assert verdict.valid
    assert not verdict.proves(EXAMPLE)
    assert verdict.why_not(EXAMPLE) == "the certificate is not for example.test, but for other.test, *.other.test"


def test_h_13_revoked_certificate() -> None:
    good, bad = authority().issue("example.test"), authority().issue("example.test")
    trust = with_lists(authority().revoke(bad.certificate))
    assert judge(good, trust).proves(EXAMPLE)
    verdict = judge(bad, trust)
    assert verdict.reason is Reason.REVOKED
    assert verdict.problem == "the certificate was revoked on 2026-06-15 by 'Test CA'"


def test_h_13_revoked_intermediate() -> None:
    intermediate = authority().intermediate("Fallen")
    verdict = judge(under(intermediate), with_lists(authority().revoke(intermediate.certificate)))
    assert verdict.reason is Reason.REVOKED
    assert verdict.problem == "the certificate of 'Fallen' was revoked on 2026-06-15 by 'Test CA'"


def test_h_13_intermediates_own_revocation_list() -> None:
    intermediate = authority().intermediate()
    issued = under(intermediate)
    assert judge(issued, with_lists(intermediate.revoke(issued.certificate))).reason is Reason.REVOKED


def test_h_13_stale_list_still_revokes_and_is_named() -> None:
    issued = authority().issue("example.test")
    trust = with_lists(authority().revoke(issued.certificate, moment=NOW - 30 * DAY))
    warnings: list[str] = []
    judge_ = CertificateJudge(trust, warn=warnings.append)
    assert judge_.judge(issued.chain, NOW).reason is Reason.REVOKED
    assert judge_.judge(authority().issue("example.test").chain, NOW).valid
    assert warnings == ["the revocation list of 'Test CA' is stale: the next one was due on 2026-05-23"]


def test_h_13_list_that_its_issuer_did_not_sign_revokes_nothing() -> None:
    issued = authority().issue("example.test")
    impostor = Authority.create("Test CA", moment=NOW)
    assert judge(issued, with_lists(impostor.revoke(issued.certificate))).proves(EXAMPLE)


def test_h_13_list_of_an_authority_that_may_not_sign_lists_revokes_nothing() -> None:
    intermediate = authority().intermediate(extensions=[AUTHORITY, usage(key_cert_sign=True)])
    issued = under(intermediate)
    assert judge(issued, with_lists(intermediate.revoke(issued.certificate))).proves(EXAMPLE)


def with_lists(*lists: bytes) -> TrustStore:
    return replace(trusting(), revocation_lists=tuple(map(revocations, lists)))


def judge(issued: Issued, trust: TrustStore | None = None) -> CertificateVerdict:
    return CertificateJudge(trust or trusting()).judge(issued.chain, NOW)
