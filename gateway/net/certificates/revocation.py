"""Revocation lists that certificates name: their URLs, and the checks on a fetched list (RFC 5280 §5, §6.3).

Only lists over plain HTTP are used, because a list is signed, and only complete ones of the certificate's own issuer:
no delta lists, and none of an issuer that lists for others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from gateway.bounds.tables import Bounded
from gateway.net.certificates.certificate_names import shown
from gateway.net.certificates.certificate_paths import CertificationPath
from gateway.net.certificates.trust_store import UNREADABLE, RevocationList, extension_of, name_of, signed_by
from gateway.xmpp.errors import GatewayError

MOST_POINTS = 4  # of one certificate
MOST_LISTS = 256
MOST_BYTES = 64 * 1024 * 1024  # of all lists together
_LONGEST_URL = 1024
_UNDERSTOOD = (x509.IssuingDistributionPoint, x509.CRLNumber, x509.AuthorityKeyIdentifier)


class UnusableList(GatewayError):
    """The fetched document cannot be used as a list, for the reason in the message."""


def named_lists(path: CertificationPath) -> Iterator[tuple[tuple[str, ...], x509.Certificate, x509.Certificate]]:
    """Yield, for each certificate of a verified path that names lists, their URLs, the certificate, and its issuer."""
    for certificate, issuer in pairwise(path):
        if urls := distribution_points(certificate):
            yield urls, certificate, issuer


def distribution_points(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return the URLs where a certificate says that its issuer's list is."""
    try:
        points = extension_of(certificate, x509.CRLDistributionPoints) or ()
    except UNREADABLE:
        return ()
    urls = [
        name.value
        for point in points
        if point.crl_issuer is None and point.reasons is None
        for name in point.full_name or ()
        if isinstance(name, x509.UniformResourceIdentifier) and _is_fetched(name.value)
    ]
    return tuple(dict.fromkeys(urls))[:MOST_POINTS]


def _is_fetched(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return len(url) <= _LONGEST_URL and url.isascii() and parts.scheme == "http" and bool(parts.hostname)
    except ValueError:
        return False


def read_list(data: bytes, url: str, issuer: x509.Certificate, moment: datetime) -> RevocationList:
    """Read a fetched document as the present list of that issuer; raise UnusableList if it is not one."""
    try:
        pem = data.startswith(b"-----BEGIN")
        found = x509.load_pem_x509_crl(data) if pem else x509.load_der_x509_crl(data)
        is_signed = found.issuer == issuer.subject and signed_by(found, issuer)
        extensions = list(found.extensions)
        due = found.next_update_utc
    except (*UNREADABLE, UnsupportedAlgorithm) as error:
        raise UnusableList(f"it cannot be read: {shown(str(error))}") from error
    if not is_signed:
        raise UnusableList(f"it is not signed by {name_of(issuer.subject)}")
    if found.last_update_utc > moment or due is None or due <= moment:
        raise UnusableList(
            f"it is not current: it is valid from {found.last_update_utc:%Y-%m-%d} until {due or 'no date'}"
        )
    for extension in extensions:
        if extension.critical and not isinstance(extension.value, _UNDERSTOOD):
            raise UnusableList("it has a critical extension that is not understood")
        if isinstance(extension.value, x509.IssuingDistributionPoint):
            _check_scope(extension.value, url)
    return found


def _check_scope(scope: x509.IssuingDistributionPoint, url: str) -> None:
    names = [name.value for name in scope.full_name or () if isinstance(name, x509.UniformResourceIdentifier)]
    if names and url not in names:
        raise UnusableList("it belongs at another URL, so some certificates may be missing from it")
    if scope.indirect_crl or scope.only_some_reasons or scope.only_contains_attribute_certs:
        raise UnusableList("it does not list everything that its issuer has revoked")


@dataclass(frozen=True, kw_only=True)
class FetchedList:
    """A fetched list of one issuer, valid until the next one is due."""

    revocations: RevocationList
    issuer: x509.Certificate
    due: datetime


class FetchedLists:
    """The lists fetched so far, by URL; `want` is called with every verified path whose lists are needed."""

    def __init__(self, most: int = MOST_LISTS, most_bytes: int = MOST_BYTES) -> None:
        self.generation = 0  # changes whenever there is something new
        self.want: Callable[[CertificationPath], None] = lambda path: None
        self._lists: Bounded[str, FetchedList] = Bounded(most, most_bytes)

    def put(self, url: str, found: FetchedList, size: int) -> None:
        """Keep a list, in place of an older one from that URL."""
        self.generation += 1
        self._lists.put(url, found, None, size)

    def get(self, url: str) -> FetchedList | None:
        """Return the list from that URL, if there is one."""
        return self._lists.get(url)

    def drop(self, url: str) -> None:
        """Forget a list that nobody needs."""
        self.generation += 1
        self._lists.pop(url)

    def revoked(self, path: CertificationPath) -> str:
        """Return which certificate of a path is on the list that it names; empty if none is.

        A revoked certificate stays revoked, even when the next list is overdue.
        """
        for urls, certificate, issuer in named_lists(path):
            for found in self._found(urls, issuer):
                entry = found.revocations.get_revoked_certificate_by_serial_number(certificate.serial_number)
                if entry is not None:
                    title = "the certificate" if certificate is path[0] else f"that of {name_of(certificate.subject)}"
                    return f"{title} was revoked on {entry.revocation_date_utc:%Y-%m-%d} by {name_of(issuer.subject)}"
        return ""

    def unchecked(self, path: CertificationPath, moment: datetime) -> str:
        """Return whose list, of those that the path names, is missing or overdue; empty if none is."""
        for urls, _, issuer in named_lists(path):
            if not any(found.due > moment for found in self._found(urls, issuer)):
                return f"the revocation list of {name_of(issuer.subject)} could not be fetched ({urls[0]})"
        return ""

    def _found(self, urls: tuple[str, ...], issuer: x509.Certificate) -> Iterator[FetchedList]:
        return (found for url in urls if (found := self._lists.get(url)) is not None and found.issuer == issuer)
