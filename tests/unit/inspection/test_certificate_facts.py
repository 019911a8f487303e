"""Certificates as facts: also those that are missing, or that cannot be read."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.inspection.certificate_facts import certificate_seen, purposes
from gateway.net.certificates.judge import CertificateJudge
from gateway.xmpp.addresses import Domain
from tests.support.ca import NOW, authority, trusting

DOMAIN = Domain("example.test")
BASIC_CONSTRAINTS, KEY_USAGE = bytes.fromhex("0603551d13"), bytes.fromhex("0603551d0f")
SUBJECT_NAMES = bytes.fromhex("0603551d11")


def test_no_certificate_is_a_fact() -> None:
    seen = certificate_seen(None, (), DOMAIN, None, trust=trusting())
    assert (seen.reason, seen.problem) == ("absent", "no certificate was presented")


def test_certificate_that_cannot_be_read_is_a_fact() -> None:
    der = authority().issue("example.test").certificate.public_bytes(Encoding.DER)
    assert SUBJECT_NAMES in der
    odd = x509.load_der_x509_certificate(der.replace(SUBJECT_NAMES, KEY_USAGE).replace(BASIC_CONSTRAINTS, KEY_USAGE))
    chain = (odd, authority().certificate)
    verdict = CertificateJudge(trusting()).judge(chain, NOW)
    seen = certificate_seen(verdict, chain, DOMAIN, None, trust=trusting())
    assert seen.reason == "unreadable"
    assert (seen.names_domain, seen.purposes, seen.ends_in_root) == (False, "", True)


def test_last_certificate_without_a_readable_name_is_no_root() -> None:
    issued = authority().issue("example.test")
    der = authority().certificate.public_bytes(Encoding.DER)
    odd = x509.load_der_x509_certificate(der.replace(b"Test CA", b"Test \xff\xff"))
    chain = (issued.certificate, odd)
    verdict = CertificateJudge(trusting()).judge(chain, NOW)
    assert not certificate_seen(verdict, chain, DOMAIN, None, trust=trusting()).ends_in_root


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        ([ExtendedKeyUsageOID.SERVER_AUTH], "server"),
        ([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH], "server client"),
        ([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], ""),
        (None, ""),
    ],
)
def test_purposes_of_a_certificate(usage: list[x509.ObjectIdentifier] | None, words: str) -> None:
    assert purposes(authority().issue("example.test", purposes=usage).certificate) == words
