"""Trust: the authorities, and the lists of certificates that they have revoked.

Both come as PEM, from one file or from a folder of files, in any mixture: blocks `CERTIFICATE` and `X509 CRL`. A
certificate that does not belong to an authority may be among them; then exactly that certificate is trusted, with its
names. Unreadable files are listed among the problems and left out; if none can be read, that is an error.

A store never changes. Reading the files again makes a new one, and its `generation` differs if the content does.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TypeVar
from warnings import catch_warnings

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.verification import Store

from gateway.net.certificates.certificate_names import shown
from gateway.xmpp.errors import ConfigError

MOST_FILES = 4096
MOST_BYTES = 32 * 1024 * 1024  # of one file: revocation lists can be long

_PEM = re.compile(rb"-----BEGIN (CERTIFICATE|X509 CRL)-----.+?-----END \1-----", re.DOTALL)

_E = TypeVar("_E", bound=x509.ExtensionType)

# The library's errors for a certificate that it cannot read, whenever it notices.
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)

RevocationList = x509.CertificateRevocationList


@dataclass(frozen=True, kw_only=True)
class TrustStore:
    """Authorities, and what they have revoked; `problems` names the files that could not be used."""

    authorities: tuple[x509.Certificate, ...]
    revocation_lists: tuple[RevocationList, ...] = ()
    problems: tuple[str, ...] = ()
    source: str = ""

    @classmethod
    def load(cls, authorities: Path | None = None, revocations: Path | None = None) -> TrustStore:
        """Read authorities from a file or folder, or the system's; raise ConfigError if there are none."""
        source = system_authorities() if authorities is None else authorities
        found = _FoundRevocations()
        found.read(source, "authorities")
        if not found.authorities:
            raise ConfigError(
                "authorities", "; ".join([f"no certificate of an authority in {source}", *found.problems])
            )
        if revocations is not None:
            known = len(found.problems)
            found.read(revocations, "revocations")
            if (
                not found.revocation_lists
            ):  # to trust without it what it revokes would be the opposite of what is wanted
                problem = f"there is no revocation list in {revocations}"
                raise ConfigError("revocations", "; ".join([problem, *found.problems[known:]]))
        return cls(
            authorities=tuple(found.authorities.values()),
            revocation_lists=tuple(found.revocation_lists.values()),
            problems=tuple(found.problems),
            source=str(source),
        )

    def __contains__(self, certificate: x509.Certificate) -> bool:
        return certificate in self._certificates

    def __str__(self) -> str:
        return f"{len(self.authorities)} authorities and {len(self.revocation_lists)} revocation lists of {self.source}"

    @cached_property
    def store(self) -> Store:
        """The authorities in the form for the path builder."""
        return Store(list(self.authorities))

    @cached_property
    def generation(self) -> bytes:
        """A digest of everything trusted and revoked: verdicts are valid as long as it stays the same."""
        digest = sha256()
        for authority in self.authorities:
            digest.update(authority.fingerprint(SHA256()))
        for revocations in self.revocation_lists:
            digest.update(revocations.fingerprint(SHA256()))
        return digest.digest()

    def called(self, subject: x509.Name) -> tuple[x509.Certificate, ...]:
        """Return the authorities of that name."""
        return self._by_subject.get(subject, ())

    def revoked(self, certificate: x509.Certificate, issuer: x509.Certificate) -> datetime | None:
        """Return when that issuer revoked its certificate, according to the lists."""
        for revocations in self._lists_of(issuer):
            if entry := revocations.get_revoked_certificate_by_serial_number(certificate.serial_number):
                return entry.revocation_date_utc
        return None

    def stale_lists(self, moment: datetime) -> tuple[str, ...]:
        """Return a sentence for each revocation list that is overdue for renewal; its revocations remain in force."""
        return tuple(
            f"the revocation list of {name_of(revocations.issuer)} is stale: "
            f"the next one was due on {_due(revocations):%Y-%m-%d}"
            for revocations in self.revocation_lists
            if _due(revocations) <= moment
        )

    @cached_property
    def _certificates(self) -> frozenset[x509.Certificate]:
        return frozenset(self.authorities)

    @cached_property
    def _by_subject(self) -> dict[x509.Name, tuple[x509.Certificate, ...]]:
        named: dict[x509.Name, tuple[x509.Certificate, ...]] = {}
        for authority in self.authorities:
            named[authority.subject] = (*named.get(authority.subject, ()), authority)
        return named

    def _lists_of(self, issuer: x509.Certificate) -> Iterator[RevocationList]:
        """Yield the revocation lists that this authority signed (RFC 5280 §6.3.3 f, g)."""
        for revocations in self.revocation_lists:
            if revocations.issuer == issuer.subject and signed_by(revocations, issuer):
                yield revocations


def system_authorities() -> Path:
    """Return the file or folder of this system's authorities (Debian: package ca-certificates)."""
    paths = ssl.get_default_verify_paths()
    for place in (paths.cafile, paths.capath):
        if place and Path(place).exists():
            return Path(place)
    raise ConfigError("authorities", "this system has no list of authorities: install ca-certificates, or name a file")


def name_of(name: x509.Name) -> str:
    """Return the most useful part of a distinguished name, in quotes, safe for a log line."""
    for kind in (x509.NameOID.COMMON_NAME, x509.NameOID.ORGANIZATIONAL_UNIT_NAME, x509.NameOID.ORGANIZATION_NAME):
        for attribute in name.get_attributes_for_oid(kind):
            return f"'{shown(str(attribute.value))}'"
    return f"'{shown(name.rfc4514_string())}'"


def extension_of(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    """Return an extension of a certificate, if it has one of that kind."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


class _FoundRevocations:
    """The content of the files read so far, each certificate and list once."""

    def __init__(self) -> None:
        self.authorities: dict[bytes, x509.Certificate] = {}
        self.revocation_lists: dict[bytes, RevocationList] = {}
        self.problems: list[str] = []

    def read(self, place: Path, key: str) -> None:
        """Read a file, or each file of a folder once, however many links lead to it."""
        try:
            files = _files_in(place) if place.is_dir() else [place]
        except OSError as error:
            raise ConfigError(key, f"cannot read the folder {place}: {error.strerror}") from error
        if len(files) > MOST_FILES:
            raise ConfigError(key, f"the folder {place} holds {len(files)} files, more than {MOST_FILES}")
        for file in files:
            self._read_file(file)

    def _read_file(self, file: Path) -> None:
        try:
            with file.open("rb") as stream:
                content = stream.read(MOST_BYTES + 1)
        except OSError as error:
            self.problems.append(f"cannot read {file}: {error.strerror}")
            return
        if len(content) > MOST_BYTES:
            self.problems.append(f"{file} was left out: it is longer than {MOST_BYTES} bytes")
            return
        self._read_blocks(file, list(_PEM.finditer(content)))

    def _read_blocks(self, file: Path, blocks: list[re.Match[bytes]]) -> None:
        if not blocks:
            self.problems.append(f"{file} was left out: it holds neither a certificate nor a revocation list in PEM")
        for number, block in enumerate(blocks, 1):
            try:
                with catch_warnings(action="ignore", category=CryptographyDeprecationWarning):  # roots of serial 0
                    self._add(block[1], block[0])
            except UNREADABLE as error:
                self.problems.append(f"block {number} of {file} was left out: {shown(str(error))}")

    def _add(self, kind: bytes, pem: bytes) -> None:
        if kind == b"CERTIFICATE":
            certificate = x509.load_pem_x509_certificate(pem)
            _ = certificate.subject, certificate.extensions  # these are decoded late, and must be readable
            self.authorities[certificate.fingerprint(SHA256())] = certificate
        else:
            revocations = x509.load_pem_x509_crl(pem)
            _ = revocations.issuer, revocations.extensions
            self.revocation_lists[revocations.fingerprint(SHA256())] = revocations


def _files_in(folder: Path) -> list[Path]:
    return sorted({file.resolve() for file in folder.iterdir() if not file.is_dir()})


def _due(revocations: RevocationList) -> datetime:
    """Return when the successor of a revocation list is due; a list without that date never becomes stale."""
    return revocations.next_update_utc or datetime.max.replace(tzinfo=UTC)


def signed_by(revocations: RevocationList, issuer: x509.Certificate) -> bool:
    """Return whether the authority signed that list, and may sign such lists."""
    usage = extension_of(issuer, x509.KeyUsage)
    if usage and not usage.crl_sign:
        return False
    try:
        return revocations.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]  # of another kind of key: TypeError
    except (TypeError, UnsupportedAlgorithm):  # a key that cannot sign
        return False
