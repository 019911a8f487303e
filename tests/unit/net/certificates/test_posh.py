"""POSH documents: what they say, what is refused, and which certificate they prove."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256, SHA512

from gateway.net.certificates.posh import (
    LONGEST_SECONDS,
    UnusableDocument,
    judge_by_posh,
    make_document,
    posh_url,
    read_posh,
)
from gateway.stream.facts import Means
from gateway.xmpp.addresses import Domain
from tests.support.ca import NOW
from tests.support.throwaway_ca import Issued, self_signed

DOMAIN = Domain("far.test")
URL = posh_url(DOMAIN)
SHOWN, OTHER = self_signed("host.test", moment=NOW), self_signed("far.test", moment=NOW)


def sha256(issued: Issued) -> str:
    return b64encode(issued.certificate.fingerprint(SHA256())).decode()


def sha512(issued: Issued) -> str:
    return b64encode(issued.certificate.fingerprint(SHA512())).decode()


def document(*fingerprints: object, expires: object = 60, **more: object) -> bytes:
    return json.dumps({"fingerprints": list(fingerprints), "expires": expires, **more}).encode()


def test_where_a_document_is() -> None:
    assert URL == "https://far.test/.well-known/posh/xmpp-server.json"
    assert posh_url(Domain("bücher.test")) == "https://xn--bcher-kva.test/.well-known/posh/xmpp-server.json"


@pytest.mark.parametrize(
    ("data", "proved"),
    [
        (document({"sha-256": sha256(SHOWN)}), True),
        (document({"sha-512": sha512(SHOWN)}), True),
        (document({"sha-256": sha256(OTHER)}, {"sha-256": sha256(SHOWN)}), True),
        (document({"sha-256": sha256(SHOWN), "sha-512": sha512(OTHER)}), False),  # the better digest counts
        (document({"sha-1": "AAAA", "sha-256": sha256(SHOWN)}), True),
        (document({"sha-1": "AAAA"}), False),
        (document({"sha-256": sha256(OTHER)}), False),
        (document({"sha-256": "no base64!"}, 7, None, {"sha-256": 7}), False),
        (document(), False),
        (document(*({"sha-256": sha256(OTHER)} for _ in range(64)), {"sha-256": sha256(SHOWN)}), False),
    ],
    ids=[  # the same in every process, unlike the certificates
        *("sha-256", "sha-512", "one of two", "the better digest is wrong", "an unknown digest beside a good one"),
        *("an unknown digest", "another certificate", "no digests", "nothing", "behind too many others"),
    ],
)
def test_which_documents_prove_the_certificate(data: bytes, proved: bool) -> None:
    attestation = judge_by_posh(DOMAIN, SHOWN.chain, read_posh(data), URL)
    assert attestation is not None
    assert (attestation.means, attestation.domain, attestation.record) == (Means.POSH, DOMAIN, f"POSH {URL}")
    assert (attestation.problem == "") is proved


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html></html>",
        b"[]",
        b"[" * 60_000,
        document(expires=0),
        document(expires=-1),
        document(expires="86400"),
        document(expires=True),
        b'{"fingerprints": []}',
        b'{"expires": 60}',
        b'{"fingerprints": {}, "expires": 60}',
        b'{"url": "http://host.test/posh.json", "expires": 60}',
        b'{"url": "https://", "expires": 60}',
        b'{"url": "https://[::1/posh.json", "expires": 60}',
        b'{"url": 7, "expires": 60}',
    ],
)
def test_what_proves_nothing(data: bytes) -> None:
    with pytest.raises(UnusableDocument):
        read_posh(data)


def test_without_a_certificate_a_document_says_nothing() -> None:
    assert judge_by_posh(DOMAIN, (), read_posh(document({"sha-256": sha256(SHOWN)})), URL) is None


def test_a_document_may_lead_to_another_and_holds_a_day_at_most() -> None:
    found = read_posh(b'{"url": "https://host.test/posh.json", "expires": 999999999}')
    assert found.url == "https://host.test/posh.json"
    assert found.seconds == LONGEST_SECONDS


def test_what_we_publish_proves_our_certificate() -> None:
    made: Any = make_document([OTHER.certificate, SHOWN.certificate], 3600)
    found = read_posh(made.encode())
    assert found.seconds == 3600
    attestation = judge_by_posh(DOMAIN, SHOWN.chain, found, URL)
    assert attestation is not None
    assert not attestation.problem
