"""What both ends of a handshake agree on afterwards."""

from __future__ import annotations

from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL

from gateway.net.tls.session import channel_bindings, describe_tls, server_end_point, tls_exporter
from gateway.xmpp.addresses import prepare_domain
from tests.support.ca import NOW, authority, rsa_key, weakly_signed
from tests.support.throwaway_ca import Authority
from tests.support.tls import Secured, connect, contexts

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
