"""What both ends of a handshake agree on afterwards."""

from __future__ import annotations

from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from OpenSSL import SSL

from gateway.net.certificates.certificate_paths import Reason
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.certificates.own_certificates import show
from gateway.net.tls.session import channel_bindings, describe_tls, judge_peer, server_end_point, tls_exporter
from gateway.xmpp.addresses import prepare_domain
from tests.support.ca import NOW, authority, rsa_key, trusting, weakly_signed
from tests.support.throwaway_ca import Authority
from tests.support.tls import Secured, connect, contexts, identity
from tests.unit.net.certificates.test_stapling import PROMISING, answer

OURS, PEER = prepare_domain("ours.test"), prepare_domain("peer.test")


def pair(newest: int = SSL.TLS1_3_VERSION) -> tuple[Secured, Secured]:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_max_proto_version(newest)
    client = SSL.Connection(context, None)
    client.set_tlsext_host_name(b"peer.test")
    client.set_connect_state()
    return connect(client, contexts(authority().issue("peer.test")).accepting())


@pytest.mark.parametrize(("newest", "version"), [(SSL.TLS1_2_VERSION, "TLSv1.2"), (SSL.TLS1_3_VERSION, "TLSv1.3")])
def test_session_is_told_alike_on_both_sides(newest: int, version: str) -> None:
    client, server = map(describe_tls, pair(newest))
    assert client == server
    assert (client.version, client.alpn) == (version, "")
    assert str(client) == f"{version} with {client.cipher}"
    assert "AES" in client.cipher or "CHACHA20" in client.cipher


def test_certificates_that_were_judged_before_are_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = CertificateJudge(trusting(authority()))
    server = contexts(authority().issue("peer.test"))
    first, again = (connect(contexts().connecting(OURS, PEER, direct=False), server.accepting())[0] for _ in range(2))
    verdict = judge_peer(judge, first, NOW)
    assert verdict.valid
    monkeypatch.setattr("cryptography.x509.load_der_x509_certificate", None)
    assert judge_peer(judge, again, NOW) is verdict


def test_exporter_binds_both_sides_to_one_session() -> None:
    client, server = map(tls_exporter, pair())
    assert client is not None
    assert len(client) == 32
    assert client == server
    assert client != tls_exporter(pair()[0])


def test_exporter_is_not_used_before_tls_1_3() -> None:
    assert [tls_exporter(side) for side in pair(SSL.TLS1_2_VERSION)] == [None, None]


def test_end_point_binding_is_the_hash_of_the_certificate() -> None:
    certificate = authority().issue("peer.test").certificate
    assert server_end_point(certificate) == sha256(certificate.public_bytes(Encoding.DER)).digest()


@pytest.mark.parametrize("algorithm", ["MD5", "SHA1"])
def test_end_point_binding_replaces_weak_hashes(algorithm: str) -> None:
    root = Authority.create("RSA CA", moment=NOW, key=rsa_key(2048))
    certificate = weakly_signed(root.issue("peer.test"), rsa_key(2048), algorithm).certificate
    assert server_end_point(certificate) == sha256(certificate.public_bytes(Encoding.DER)).digest()


def test_end_point_binding_is_undefined_without_a_hash() -> None:
    root = Authority.create("Modern CA", moment=NOW, key=ed25519.Ed25519PrivateKey.generate())
    assert server_end_point(root.issue("peer.test").certificate) is None


@pytest.mark.parametrize(
    ("newest", "kinds"),
    [
        (SSL.TLS1_2_VERSION, ["tls-server-end-point"]),
        (SSL.TLS1_3_VERSION, ["tls-exporter", "tls-server-end-point"]),
    ],
)
def test_both_sides_find_the_same_channel_bindings(newest: int, kinds: list[str]) -> None:
    client, server = pair(newest)
    ours = channel_bindings(server, accepted=True)
    assert list(ours) == kinds
    assert channel_bindings(client, accepted=False) == ours


@pytest.mark.parametrize("newest", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
@pytest.mark.parametrize("status", [None, ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED])
def test_what_a_server_staples_is_judged_with_its_certificate(newest: int, status: ocsp.OCSPCertStatus | None) -> None:
    issued = authority().issue("peer.test")
    staple = b"" if status is None else answer(issued, status)
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_max_proto_version(newest)
    show(identity(issued), context)
    context.set_ocsp_server_callback(lambda connection, data: staple)
    stapling = SSL.Connection(context, None)
    stapling.set_accept_state()
    client, server = connect(contexts().connecting(OURS, PEER, direct=False), stapling)
    judge = CertificateJudge(trusting(authority()))
    assert judge_peer(judge, client, NOW).is_revoked is (status is ocsp.OCSPCertStatus.REVOKED)
    assert judge_peer(judge, server, NOW).reason is Reason.ABSENT


@pytest.mark.parametrize("newest", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_a_server_that_staples_nothing_breaks_what_its_certificate_promises(newest: int) -> None:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_max_proto_version(newest)
    show(identity(PROMISING), context)
    server = SSL.Connection(context, None)
    server.set_accept_state()
    client, _ = connect(contexts().connecting(OURS, PEER, direct=False), server)
    assert judge_peer(CertificateJudge(trusting(authority())), client, NOW).reason is Reason.UNACCEPTABLE
