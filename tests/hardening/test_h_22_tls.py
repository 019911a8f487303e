"""H-22: TLS 1.2 at least, no renegotiation, no compression, no resumption without a chain (CVE-2021-32920)."""

from __future__ import annotations

import pytest
from OpenSSL import SSL

from gateway.net.tls.contexts import TLSContexts, TLSRules
from gateway.net.tls.session import describe_tls, peer_chain
from gateway.xmpp.addresses import prepare_domain
from tests.support.ca import authority
from tests.support.throwaway_ca import Issued
from tests.support.tls import connect, contexts, exchange

OURS, PEER = prepare_domain("ours.test"), prepare_domain("peer.test")

# ClientHello of TLS 1.0 and 1.1 as such clients sent it, with ciphers of their age: current libraries cannot make one.
_HELLO = "{version}" + "00" * 32 + "00" + "0008c013c014002f0035" + "0100" + "000e000a00040002001700" + "0b00020100"
ALERT_PROTOCOL_VERSION = bytes([2, 70])


@pytest.mark.parametrize("version", ["0300", "0301", "0302"])
def test_h_22_older_client_is_told_that_its_version_is_too_old(version: str) -> None:
    server = our_contexts().accepting(OURS)
    body = bytes.fromhex(_HELLO.format(version=version))
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    server.bio_write(b"\x16\x03\x01" + len(handshake).to_bytes(2, "big") + handshake)
    with pytest.raises(SSL.Error) as problem:
        server.do_handshake()
    assert "unsupported protocol" in str(problem.value) or "version too low" in str(problem.value)
    assert server.bio_read(100).endswith(ALERT_PROTOCOL_VERSION)


@pytest.mark.parametrize(("minimum", "newest"), [("1.2", SSL.TLS1_1_VERSION), ("1.3", SSL.TLS1_2_VERSION)])
def test_h_22_older_server_is_refused(minimum: str, newest: int) -> None:
    client = our_contexts(TLSRules(minimum=minimum)).connecting(OURS, PEER, direct=False)
    with pytest.raises(SSL.Error):
        connect(client, a_server(newest))


@pytest.mark.parametrize("minimum", ["1.2", "1.3"])
def test_h_22_minimum_is_what_the_operator_set(minimum: str) -> None:
    server = our_contexts(TLSRules(minimum=minimum)).accepting(OURS)
    client = a_client(SSL.TLS1_2_VERSION)
    if minimum == "1.3":
        with pytest.raises(SSL.Error):
            connect(client, server)
    else:
        assert describe_tls(connect(client, server)[1]).version == "TLSv1.2"


@pytest.mark.parametrize("asking", ["client", "server"])
def test_h_22_renegotiation_is_refused(asking: str) -> None:
    ours = our_contexts()
    if asking == "client":
        asked, asker = connect(a_client(SSL.TLS1_2_VERSION), ours.accepting(OURS))[::-1]
    else:
        asked, asker = connect(ours.connecting(OURS, PEER, direct=False), a_server(SSL.TLS1_2_VERSION))
    before = asked.connection.get_finished()
    try:
        asker.connection.renegotiate()
        asker.connection.do_handshake()
    except SSL.Error:
        pass
    for _ in range(5):
        exchange(asker.connection, asked.connection)
        for each in (asked, asker):
            try:
                each.connection.recv(100)
            except SSL.Error:
                continue
    assert asked.connection.get_finished() == before


@pytest.mark.parametrize("newest", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION])
def test_h_22_session_is_never_resumed_so_that_the_chain_is_always_there(newest: int) -> None:
    issued = authority().intermediate().issue("peer.test")
    server = our_contexts().accepting(OURS)
    first, _ = connect(a_client(newest, issued), server)
    session = first.connection.get_session()
    again = a_client(newest, issued, first.connection.get_context())
    again.set_session(session)
    _, ours = connect(again, server)
    assert peer_chain(ours) == issued.chain


def our_contexts(rules: TLSRules = TLSRules()) -> TLSContexts:
    return contexts(authority().issue("ours.test"), rules=rules)


def a_client(newest: int, issued: Issued | None = None, context: SSL.Context | None = None) -> SSL.Connection:
    """A client of somebody else's, with whatever OpenSSL does by default."""
    connection = SSL.Connection(context or a_context(SSL.TLS_CLIENT_METHOD, newest, issued), None)
    connection.set_connect_state()
    return connection


def a_server(newest: int) -> SSL.Connection:
    """A server of somebody else's, with whatever OpenSSL does by default."""
    connection = SSL.Connection(a_context(SSL.TLS_SERVER_METHOD, newest, authority().issue("peer.test")), None)
    connection.set_accept_state()
    return connection


def a_context(method: int, newest: int, issued: Issued | None) -> SSL.Context:
    context = SSL.Context(method)
    context.set_max_proto_version(newest)
    if issued:
        context.use_certificate(issued.certificate)
        context.use_privatekey(issued.key)
        for each in issued.chain[1:]:
            context.add_extra_chain_cert(each)
    return context
