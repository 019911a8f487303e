"""Our own identities: the certificates that prove our domains, and which of them to present.

A certificate file contains the chain in PEM, our own certificate first, each signed by the next; its private key is in
the same file or in one of its own. Files that cannot be used are a ConfigError, in words for the operator: a missing
file, no key or a wrong one, a chain out of order, an encrypted key (nobody is there to type a passphrase). Problems
that do not prevent their use cause a warning: a certificate that expired overnight must not keep the service from
starting again.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL

from gateway.net.certificates.certificate_names import CertificateNames, shown
from gateway.net.certificates.trust_store import UNREADABLE, name_of
from gateway.xmpp.addresses import Domain, to_ascii
from gateway.xmpp.errors import ConfigError

SOON = timedelta(days=14)
MOST_BYTES = 1024 * 1024

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


@dataclass(frozen=True, kw_only=True, eq=False)
class Identity:
    """One of our certificates with the chain to its authority, its private key, and the files that they came from."""

    chain: tuple[x509.Certificate, ...]
    private_key: PrivateKey = field(repr=False)
    names: CertificateNames
    certificate_file: Path
    key_file: Path

    @property
    def certificate(self) -> x509.Certificate:
        """Our own certificate, the first of the chain."""
        return self.chain[0]

    @property
    def not_after(self) -> datetime:
        """The end of the validity of the first certificate of the chain."""
        return min(certificate.not_valid_after_utc for certificate in self.chain)

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the certificate, in hexadecimal digits."""
        return self.certificate.fingerprint(SHA256()).hex()

    def covers(self, domain: Domain) -> bool:
        """Return whether the certificate names that domain, so that other servers will accept it."""
        return self.names.prove(domain)

    def warnings(self, moment: datetime) -> tuple[str, ...]:
        """Return warnings for the operator about the files in their present state."""
        return tuple(filter(None, (self._validity(moment), key_exposure(self.key_file))))

    def _validity(self, moment: datetime) -> str:
        if (begin := max(each.not_valid_before_utc for each in self.chain)) > moment:
            return f"the certificate in {self.certificate_file} is not valid before {begin:%Y-%m-%d}"
        if self.not_after <= moment:
            return f"the certificate in {self.certificate_file} expired on {self.not_after:%Y-%m-%d}"
        if self.not_after <= moment + SOON:
            return f"the certificate in {self.certificate_file} expires on {self.not_after:%Y-%m-%d}"
        return ""


class Keyring:
    """The choice of the identity to present for a domain."""

    def __init__(self, identities: Mapping[Domain, Identity], default: Identity | None = None) -> None:
        self.default = default if default is not None else next(iter(identities.values()), None)
        self._by_name = {name: each for each in reversed([*identities.values()]) for name in _host_names(each.names)}
        self._by_name |= {to_ascii(domain): identity for domain, identity in identities.items()}

    def find(self, name: str) -> Identity | None:
        """Return the identity for a domain with A-labels, as in SNI: the one set for it, or else one that names it."""
        name = name.lower()
        return self._by_name.get(name) or self._by_name.get(f"*.{name.partition('.')[2]}")


class Loaded(NamedTuple):
    """Our identities by domain, and the problems of those that cannot be used."""

    identities: dict[Domain, Identity]
    faults: dict[Domain, ConfigError]


def load_identities(files: Iterable[tuple[Domain, Path, Path | None]]) -> Loaded:
    """Load the certificates of domains from their files; each file is read once, however many domains share it.

    A certificate that does not name its domain is a fault, too.
    """
    loaded = Loaded({}, {})
    read: dict[tuple[Path, Path | None], Identity | ConfigError] = {}
    for domain, certificate, key in files:
        if (certificate, key) not in read:
            try:
                read[certificate, key] = load_identity(certificate, key)
            except ConfigError as error:
                read[certificate, key] = error
        found = read[certificate, key]
        if isinstance(found, ConfigError):
            loaded.faults[domain] = found
        elif not found.covers(domain):
            problem = f"the certificate in {certificate} is for {found.names}, not for {domain}"
            loaded.faults[domain] = ConfigError("certificate", problem)
        else:
            loaded.identities[domain] = found
    return loaded


def load_identity(certificate: Path, key: Path | None = None) -> Identity:
    """Read an identity from its files; raise ConfigError for `certificate` or `key` with the problem."""
    chain = _load_chain(certificate)
    key_file = certificate if key is None else key
    private_key = _load_key(key_file)
    if private_key.public_key() != chain[0].public_key():
        raise ConfigError("key", f"the private key in {key_file} does not belong to the certificate in {certificate}")
    try:
        names = CertificateNames.of(chain[0])
    except UNREADABLE as error:
        raise ConfigError("certificate", f"the names in {certificate} cannot be read: {shown(str(error))}") from error
    identity = Identity(
        chain=chain, private_key=private_key, names=names, certificate_file=certificate, key_file=key_file
    )
    show(identity, SSL.Context(SSL.TLS_METHOD))
    return identity


def show(identity: Identity, context: SSL.Context) -> None:
    """Make a TLS context present that identity; raise ConfigError if OpenSSL refuses."""
    try:
        context.use_certificate(identity.certificate)
        context.use_privatekey(identity.private_key)
        for certificate in identity.chain[1:]:
            context.add_extra_chain_cert(certificate)
    except SSL.Error as error:
        reason = error.args[0][0][2] if error.args and error.args[0] else "no reason given"
        raise ConfigError("certificate", f"OpenSSL refuses {identity.certificate_file}: {reason}") from error


def key_exposure(file: Path) -> str:
    """Return a warning if users other than the owner and the group can read or change a key file; else empty."""
    try:
        mode = file.stat().st_mode
    except OSError:
        return ""
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        return f"every user of this machine can read or change the private key in {file}: chmod o= {file}"
    return ""


def _load_chain(file: Path) -> tuple[x509.Certificate, ...]:
    content = _read("certificate", file)
    try:
        chain = tuple(x509.load_pem_x509_certificates(content))
    except UNREADABLE as error:
        problem = "holds no certificate in PEM" if b"-----BEGIN CERTIFICATE" not in content else shown(str(error))
        raise ConfigError("certificate", f"{file}: {problem}") from error
    for number, (certificate, issuer) in enumerate(pairwise(chain), 1):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (InvalidSignature, *UNREADABLE) as error:
            problem = (
                f"{file}: certificate {number} ({name_of(certificate.subject)}) is not signed by the one after it "
                f"({name_of(issuer.subject)}); put our own first, then each one's authority"
            )
            raise ConfigError("certificate", problem) from error
    return chain


def _load_key(file: Path) -> PrivateKey:
    content = _read("key", file)
    if b"PRIVATE KEY-----" not in content:
        raise ConfigError("key", f"{file} holds no private key in PEM")
    try:
        private_key = load_pem_private_key(content, password=None)
    except TypeError as error:
        raise ConfigError("key", f"the private key in {file} is encrypted: store it without a passphrase") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError("key", f"the private key in {file} cannot be read: {shown(str(error))}") from error
    if not isinstance(private_key, PrivateKey):
        raise ConfigError("key", f"the private key in {file} is of a type that TLS does not use")
    return private_key


def _read(key: str, file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(key, f"cannot read {file}: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise ConfigError(key, f"{file} is longer than {MOST_BYTES} bytes")
    return content


def _host_names(names: CertificateNames) -> Iterable[str]:
    """Yield the names by which the certificate may be looked up: hosts and wildcards, and the hosts of SRVNames."""
    yield from (name.lower() for name in names.dns)
    yield from (name.partition(".")[2].lower() for name in names.services)
