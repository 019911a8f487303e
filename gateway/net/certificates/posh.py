"""POSH: what a domain's web server says about the certificates of its XMPP servers (RFC 7711, RFC 7712).

    {"fingerprints": [{"sha-256": "BASE64", "sha-512": "BASE64"}], "expires": 86400}
    {"url": "https://hosting.example.net/.well-known/posh/xmpp-server.json", "expires": 86400}

A document has fingerprints of whole certificates, one entry for each, or names the one document that has them. It is
valid for the number of seconds in `expires`, of which we use a day at most.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256, SHA512, HashAlgorithm

from gateway.net.certificates.judge import Attestation
from gateway.net.certificates.trust_store import UNREADABLE
from gateway.stream.facts import Means
from gateway.xmpp.addresses import Domain, to_ascii
from gateway.xmpp.errors import GatewayError

MOST_DOCUMENT_BYTES = 65536
MOST_FINGERPRINTS = 64
LONGEST_SECONDS = 86400
_LONGEST_URL = 1024
_DIGESTS: Mapping[str, HashAlgorithm] = {"sha-512": SHA512(), "sha-256": SHA256()}


class UnusableDocument(GatewayError):
    """What was fetched proves nothing, and why, in plain words."""


@dataclass(frozen=True, kw_only=True)
class PoshDocument:
    """A document: the fingerprints by their kind, or where they are; good for this many seconds."""

    fingerprints: tuple[Mapping[str, bytes], ...] = ()
    url: str = ""
    seconds: float


def posh_url(domain: Domain) -> str:
    """Return where a domain's document is (RFC 7711 §3, RFC 7712 §6)."""
    return f"https://{to_ascii(domain)}/.well-known/posh/xmpp-server.json"


def read_posh(data: bytes) -> PoshDocument:
    """Read a document; raise UnusableDocument if it is invalid or has expired."""
    try:
        content: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise UnusableDocument("it is not JSON") from None
    if not isinstance(content, dict):
        raise UnusableDocument("it is not a JSON object")
    seconds = content.get("expires")
    if not isinstance(seconds, int) or isinstance(seconds, bool) or seconds <= 0:
        raise UnusableDocument("it has expired: 'expires' is not a number of seconds above 0")
    listed, url = content.get("fingerprints"), content.get("url")
    if isinstance(url, str) and listed is None:
        return PoshDocument(url=_checked(url), seconds=min(seconds, LONGEST_SECONDS))
    if not isinstance(listed, list):
        raise UnusableDocument("it has neither 'fingerprints' nor 'url'")
    entries = tuple(filter(None, map(_entry, listed[:MOST_FINGERPRINTS])))
    return PoshDocument(fingerprints=entries, seconds=min(seconds, LONGEST_SECONDS))


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme == "https" and bool(parts.hostname) and url.isascii() and len(url) <= _LONGEST_URL
    except ValueError:
        is_usable = False
    if not is_usable:
        raise UnusableDocument("its 'url' is not one of HTTPS")
    return url


def _entry(entry: object) -> Mapping[str, bytes]:
    """Return the digests of one certificate that we know."""
    if not isinstance(entry, dict):
        return {}
    found: dict[str, bytes] = {}
    for kind in _DIGESTS:
        try:
            found[kind] = b64decode(entry[kind], validate=True)
        except (KeyError, TypeError, ValueError, NotBase64):
            continue
    return found


def judge_by_posh(
    domain: Domain, chain: Sequence[x509.Certificate], document: PoshDocument, url: str
) -> Attestation | None:
    """Return what a document with fingerprints says about the certificate; the best digest of an entry counts."""
    if not chain:
        return None
    record = f"POSH {url}"
    try:
        for entry in document.fingerprints:
            kind = next((kind for kind in _DIGESTS if kind in entry), None)
            if kind is not None and chain[0].fingerprint(_DIGESTS[kind]) == entry[kind]:
                return Attestation(means=Means.POSH, domain=domain, record=record)
    except UNREADABLE:
        return None
    told = f"{url} is about other certificates"
    return Attestation(means=Means.POSH, domain=domain, record=record, problem=told)


def make_document(certificates: Sequence[x509.Certificate], seconds: int) -> str:
    """Return the document to publish for these certificates."""
    entries = [
        {kind: b64encode(certificate.fingerprint(digest)).decode() for kind, digest in _DIGESTS.items()}
        for certificate in certificates
    ]
    return json.dumps({"fingerprints": entries, "expires": seconds}, indent=2)
