"""What both ends of a handshake agree on afterwards, in memory and through Twisted's own STARTTLS."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from gateway.addresses import prepare_domain
from gateway.net.certificates import CertificateJudge
from gateway.net.contexts import TLSContexts
from gateway.net.throwaway_ca import Authority
from gateway.net.tls_session import channel_bindings, describe_tls, peer_chain, server_end_point, tls_exporter
from tests.support.ca import NOW, authority, rsa_key, trusting, weakly_signed
from tests.support.reactor import run_in_reactor
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
    assert (client.version, client.alpn, client.server_name) == (version, "", "peer.test")
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


@implementer(IHandshakeListener)
class Starting(Protocol):
    """Starts TLS as soon as it is connected, and tells when the handshake is over."""

    def __init__(self, creator: object) -> None:
        self.creator = creator
        self.secured: Deferred[Any] = Deferred()

    def connectionMade(self) -> None:
        self.transport.startTLS(self.creator)

    def handshakeCompleted(self) -> None:
        self.secured.callback(self.transport)


def test_starttls_of_twisted_on_a_real_connection() -> None:
    ours, theirs = contexts(authority().issue("ours.test")), contexts(authority().issue("peer.test"))
    client_sees, server_sees, bindings = run_in_reactor(lambda: handshake(ours, theirs))
    judge = CertificateJudge(trusting())
    assert judge.judge(client_sees, NOW).proves(PEER)
    assert judge.judge(server_sees, NOW).proves(OURS)
    assert bindings[0] == bindings[1] is not None


async def handshake(ours: TLSContexts, theirs: TLSContexts) -> Any:
    from twisted.internet import reactor

    accepted = Starting(theirs.accepting(PEER))
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Factory.forProtocol(lambda: accepted))
    connecting = Starting(ours.connecting(OURS, PEER, direct=False))
    await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port), connecting)
    transports = [await connecting.secured, await accepted.secured]
    try:
        return *map(peer_chain, transports), list(map(tls_exporter, transports))
    finally:
        transports[0].abortConnection()
        await port.stopListening()


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
