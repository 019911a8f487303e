"""A certificate authority to throw away, for tests.

    authority = Authority.create("Demo CA")
    authority.save(folder / "ca.pem")
    authority.issue("example.test", "*.example.test").save(folder / "example.test.pem")

Everything a certificate may say can be said here, also what none should, because somebody has to test that it is
refused. Keys are on the curve P-256, which takes no time, and private keys are written for their owner alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyasn1.codec.der import encoder
from pyasn1.type import char

from gateway.net.certificates.certificate_names import SRV_NAME, XMPP_ADDR

DAY = timedelta(days=1)
LIFETIME = 90 * DAY
SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def host(name: str) -> x509.GeneralName:
    """A dNSName."""
    return x509.DNSName(name)


def srv(name: str) -> x509.GeneralName:
    """A SRVName: `_xmpp-server.example.test`."""
    return x509.OtherName(SRV_NAME, encoder.encode(char.IA5String(name)))


def xmpp(address: str) -> x509.GeneralName:
    """A XmppAddr: a domain, or the address of an account."""
    return x509.OtherName(XMPP_ADDR, encoder.encode(char.UTF8String(address)))


def ip(address: str) -> x509.GeneralName:
    """An iPAddress."""
    return x509.IPAddress(ip_address(address))


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate with the chain that goes with it, and its private key."""

    chain: tuple[x509.Certificate, ...]
    key: Key = field(repr=False)

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate itself, without the chain."""
        return self.chain[0]

    @property
    def pem(self) -> bytes:
        """The chain in PEM."""
        return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in self.chain)

    @property
    def key_pem(self) -> bytes:
        """The private key in PEM, without a passphrase."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    def save(self, file: Path, key_file: Path | None = None) -> Path:
        """Write chain and key, into one file or two, and return the first."""
        if key_file is None:
            _write_secret(file, self.pem + self.key_pem)
        else:
            file.write_bytes(self.pem)
            _write_secret(key_file, self.key_pem)
        return file


@dataclass(frozen=True, kw_only=True)
class Authority:
    """An authority that issues whatever it is asked for, around the moment at which it was made."""

    issued: Issued
    moment: datetime

    @classmethod
    def create(
        cls, name: str = "Throw-away CA", *, moment: datetime | None = None, key: Key | None = None
    ) -> Authority:
        """A new root, self-signed, valid for ten years around `moment`, which is now unless given."""
        moment = (moment or datetime.now(UTC)).replace(microsecond=0)
        key = key or new_key()
        builder = _builder(_name(name), _name(name), key, moment - 3650 * DAY, moment + 3650 * DAY)
        extended = _extended(builder, key, _authority_extensions(None), (x509.BasicConstraints,))
        certificate = extended.sign(key, _digest(key))
        return cls(issued=Issued(chain=(certificate,), key=key), moment=moment)

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate to trust."""
        return self.issued.certificate

    def save(self, file: Path) -> Path:
        """Write the certificate, for peers to trust, and return the file; the private key is nobody's business."""
        file.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return file

    def issue(
        self,
        *names: str | x509.GeneralName,
        common_name: str | None = None,
        subject: x509.Name | None = None,
        purposes: Iterable[x509.ObjectIdentifier] | None = (SERVER_AUTH, CLIENT_AUTH),
        begins: datetime | None = None,
        ends: datetime | None = None,
        key: Key | None = None,
        extensions: Sequence[x509.ExtensionType] = (),
        critical: Iterable[type[x509.ExtensionType]] = (),
    ) -> Issued:
        """A certificate for names; a string is a dNSName, and the first of them the common name unless one is given."""
        hosts = [name for name in names if isinstance(name, str)]
        if subject is None:
            subject = _name((hosts[0] if hosts else "") if common_name is None else common_name)
        if not subject.rdns:
            critical = (*critical, x509.SubjectAlternativeName)  # RFC 5280 §4.2.1.6
        said: list[x509.ExtensionType] = [x509.BasicConstraints(ca=False, path_length=None), *extensions]
        if names:
            said.append(x509.SubjectAlternativeName(host(name) if isinstance(name, str) else name for name in names))
        if purposes is not None:
            said.append(x509.ExtendedKeyUsage(purposes))
        return self._sign(subject, begins or self.moment - DAY, ends or self.moment + LIFETIME, key, said, critical)

    def intermediate(
        self,
        name: str = "Throw-away Intermediate",
        *,
        path_length: int | None = None,
        begins: datetime | None = None,
        ends: datetime | None = None,
        key: Key | None = None,
        extensions: Sequence[x509.ExtensionType] | None = None,
    ) -> Authority:
        """An authority under this one; with `extensions`, one that says exactly these about itself."""
        said = _authority_extensions(path_length) if extensions is None else extensions
        begins, ends = begins or self.moment - 365 * DAY, ends or self.moment + 365 * DAY
        issued = self._sign(_name(name), begins, ends, key, said, (x509.BasicConstraints,))
        return Authority(issued=issued, moment=self.moment)

    def revoke(
        self, *certificates: x509.Certificate, moment: datetime | None = None, lasting: timedelta = 7 * DAY
    ) -> bytes:
        """A revocation list with these certificates on it, in PEM."""
        moment = moment or self.moment
        builder = x509.CertificateRevocationListBuilder(self.certificate.subject, moment, moment + lasting)
        for certificate in certificates:
            entry = x509.RevokedCertificateBuilder(certificate.serial_number, moment).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.issued.key, _digest(self.issued.key)).public_bytes(serialization.Encoding.PEM)

    def _sign(
        self,
        subject: x509.Name,
        begins: datetime,
        ends: datetime,
        key: Key | None,
        extensions: Sequence[x509.ExtensionType],
        critical: Iterable[type[x509.ExtensionType]],
    ) -> Issued:
        key = key or new_key()
        builder = _extended(_builder(subject, self.certificate.subject, key, begins, ends), key, extensions, critical)
        issuer_key = self.issued.key.public_key()
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
        certificate = builder.sign(self.issued.key, _digest(self.issued.key))
        is_root = self.certificate.issuer == self.certificate.subject
        return Issued(chain=(certificate, *(() if is_root else self.issued.chain)), key=key)


def self_signed(*names: str, moment: datetime | None = None) -> Issued:
    """A certificate for hosts that its own key signed, as installation scripts make them."""
    moment = (moment or datetime.now(UTC)).replace(microsecond=0)
    key = new_key()
    builder = _builder(_name(names[0]), _name(names[0]), key, moment - DAY, moment + LIFETIME)
    said = [x509.SubjectAlternativeName(map(host, names))]
    return Issued(chain=(_extended(builder, key, said).sign(key, _digest(key)),), key=key)


def new_key() -> Key:
    """A private key of the cheapest good kind."""
    return ec.generate_private_key(ec.SECP256R1())


def _digest(key: Key) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, begins: datetime, ends: datetime
) -> x509.CertificateBuilder:
    serial = x509.random_serial_number()
    return x509.CertificateBuilder(issuer, subject, key.public_key(), serial, begins, ends)


def _extended(
    builder: x509.CertificateBuilder,
    key: Key,
    extensions: Iterable[x509.ExtensionType],
    critical: Iterable[type[x509.ExtensionType]] = (),
) -> x509.CertificateBuilder:
    for extension in (*extensions, x509.SubjectKeyIdentifier.from_public_key(key.public_key())):
        builder = builder.add_extension(extension, critical=isinstance(extension, (*critical,)))
    return builder


def _authority_extensions(path_length: int | None) -> list[x509.ExtensionType]:
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return [x509.BasicConstraints(ca=True, path_length=path_length), usage]


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])


def _write_secret(file: Path, content: bytes) -> None:
    """Write a file that nobody else can read, not even for a moment."""
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
