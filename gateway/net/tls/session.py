"""The results of a finished TLS handshake: the peer's certificates, the session in words, and the channel bindings.

Every function takes the transport of a Twisted protocol once TLS is up on it, either from the first byte or by
STARTTLS.
"""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, cast

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from OpenSSL.crypto import FILETYPE_ASN1, dump_certificate
from OpenSSL.SSL import TLS1_3_VERSION, Connection

from gateway.net.certificates.judge import CertificateJudge, CertificateVerdict, unreadable
from gateway.net.certificates.trust_store import UNREADABLE
from gateway.net.tls.contexts import ConnectionData
from gateway.stream.events import Secured
from gateway.stream.facts import TLSFacts
from gateway.stream.records import record

EXPORTER_LABEL = b"EXPORTER-Channel-Binding"
EXPORTER_BYTES = 32


@record(frozen=True, kw_only=True)
class TLSSession:
    """The negotiated parameters, as people and logs name them; empty if not used."""

    version: str
    cipher: str
    alpn: str

    def __str__(self) -> str:
        return f"{self.version} with {self.cipher}"


def describe_tls(transport: object) -> TLSSession:
    """Return the protocol version, cipher and ALPN protocol of a transport."""
    connection = _connection(transport)
    return TLSSession(
        version=connection.get_protocol_version_name(),
        cipher=connection.get_cipher_name() or "",
        alpn=connection.get_alpn_proto_negotiated().decode("ascii", "replace"),
    )


def peer_chain(transport: object) -> tuple[x509.Certificate, ...]:
    """Return the certificates that the peer presented, its own first, or none; raise
    ValueError if one is unreadable.
    """
    return tuple(map(x509.load_der_x509_certificate, _presented(_connection(transport))))


def _presented(connection: Connection) -> list[bytes]:
    """Return the certificates that the peer presented, as they came (DER): its own first, or none."""
    certificate = connection.get_peer_certificate()
    if certificate is None:
        return []
    own = dump_certificate(FILETYPE_ASN1, certificate)
    # OpenSSL includes the peer's own certificate for clients, and leaves it out for servers.
    chain = [dump_certificate(FILETYPE_ASN1, each) for each in connection.get_peer_cert_chain() or ()]
    return [own, *(each for each in chain if each != own)]


def what_tls_shows(transport: object, judge: CertificateJudge, *, accepted: bool, binds_channels: bool) -> Secured:
    """Return the TLS of this transport in words, and the present verdict on the peer's certificate.

    `accepted`: the other side has connected to us; `binds_channels`: SASL may use channel bindings.
    """
    session = describe_tls(transport)
    tls = TLSFacts(
        version=session.version,
        cipher=session.cipher,
        alpn=session.alpn or None,
        channel_bindings=channel_bindings(transport, accepted=accepted) if binds_channels else {},
    )
    return Secured(tls=tls, certificate=judge_peer(judge, transport, datetime.now(UTC)))


def judge_peer(judge: CertificateJudge, transport: object, moment: datetime) -> CertificateVerdict:
    """Return the verdict on what the peer presented in the TLS handshake of this transport.

    Peers come back with the same certificates, and reading these takes longer than anything else here. So they are read
    only if they are new.
    """
    connection = _connection(transport)
    data = connection.get_app_data()
    staple = data.staple if isinstance(data, ConnectionData) else None
    presented = _presented(connection)
    known = judge.recall([sha256(certificate).digest() for certificate in presented], moment, staple)
    if known is not None:
        return known
    try:
        chain = [*map(x509.load_der_x509_certificate, presented)]
    except UNREADABLE as error:
        return unreadable(error)
    return judge.judge(chain, moment, staple)


def channel_bindings(transport: object, *, accepted: bool) -> dict[str, bytes]:
    """Return the channel bindings of this TLS connection, by type; `accepted`: we are the server."""
    connection = _connection(transport)
    certificate = (
        connection.get_certificate(as_cryptography=True)
        if accepted
        else connection.get_peer_certificate(as_cryptography=True)
    )
    found = {
        "tls-exporter": tls_exporter(transport),
        "tls-server-end-point": server_end_point(certificate) if certificate is not None else None,
    }
    return {kind: data for kind, data in found.items() if data is not None}


def tls_exporter(transport: object) -> bytes | None:
    """Return the channel binding `tls-exporter` (RFC 9266); None before TLS 1.3.

    Under TLS 1.2 it is unique only with the extended master secret (RFC 9266 §4.2), about which OpenSSL is not asked.
    """
    connection = _connection(transport)
    if connection.get_protocol_version() < TLS1_3_VERSION:
        return None
    return connection.export_keying_material(EXPORTER_LABEL, EXPORTER_BYTES, b"")


def server_end_point(certificate: x509.Certificate) -> bytes | None:
    """Return the channel binding `tls-server-end-point` of a server's certificate; None if RFC
    5929 §4.1 defines none.
    """
    try:
        algorithm = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
    if algorithm is None:
        return None
    return certificate.fingerprint(hashes.SHA256() if isinstance(algorithm, _REPLACED) else algorithm)


_REPLACED = (hashes.MD5, hashes.SHA1)


def _connection(transport: object) -> Connection:
    return cast(Connection, cast(Any, transport).getHandle())
