"""TLS connections as they are made: which identity, which protocol, which ciphers; versions are for H-22."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from OpenSSL import SSL

from gateway.net.certificates.certificate_names import CLIENT
from gateway.net.certificates.own_certificates import Keyring
from gateway.net.tls.contexts import NoCommonProtocol, TLSContexts, TLSRules, unknown_ciphers
from gateway.net.tls.requesting import request_by_method, request_certificate
from gateway.net.tls.session import describe_tls, peer_chain
from gateway.xmpp.addresses import prepare_domain
from gateway.xmpp.errors import ConfigError, Misuse
from tests.support.ca import authority, rsa_key
from tests.support.throwaway_ca import Issued, xmpp
from tests.support.tls import connect, contexts, exchange, identity

OURS, SECOND, PEER = map(prepare_domain, ("ours.test", "second.test", "peer.test"))


def issued(*names: str, **more: object) -> Issued:
    return authority().intermediate().issue(*names, **more)


def test_both_sides_see_the_whole_chain_of_the_other() -> None:
    ours, theirs = issued("ours.test"), issued("peer.test")
    client, server = connect(contexts(ours).connecting(OURS, PEER, direct=False), contexts(theirs).accepting(PEER))
    assert peer_chain(client) == theirs.chain
    assert peer_chain(server) == ours.chain


def test_data_passes_both_ways() -> None:
    client, server = connect(
        contexts(issued("ours.test")).connecting(OURS, PEER, direct=True), contexts(issued("peer.test")).accepting()
    )
    for source, sink in ((client, server), (server, client)):
        source.connection.send(b"<presence/>")
        exchange(client.connection, server.connection)
        assert sink.connection.recv(100) == b"<presence/>"


@pytest.mark.parametrize("request_it", [request_certificate, request_by_method])
@pytest.mark.parametrize("ours", [True, False], ids=["with", "without"])
def test_client_certificate_is_asked_for_and_may_be_missing(
    monkeypatch: pytest.MonkeyPatch, ours: bool, request_it: Callable[[SSL.Context], None]
) -> None:
    monkeypatch.setattr("gateway.net.tls.contexts.request_certificate", request_it)
    client = contexts(*([issued("ours.test")] if ours else []))
    _, server = connect(client.connecting(OURS, PEER, direct=False), contexts(issued("peer.test")).accepting())
    assert bool(peer_chain(server)) is ours


def test_client_certificate_is_not_asked_for_where_it_is_not_wanted() -> None:
    server = contexts(issued("peer.test")).accepting(PEER, ask_certificate=False)
    assert peer_chain(connect(contexts(issued("ours.test")).connecting(OURS, PEER, direct=False), server)[1]) == ()


@pytest.mark.parametrize(
    ("stream_to", "server_name", "shown"),
    [
        (None, None, "first"),
        (None, "second.test", "second"),
        ("second.test", None, "second"),
        ("first.test", "second.test", "second"),
        ("second.test", "SECOND.test", "second"),
        ("second.test", "unknown.test", "second"),
        ("unknown.test", "unknown.test", "first"),
        ("chat.second.test", None, "second"),
        (None, "chat.second.test", "second"),
        (None, "xn--bcher-kva.test", "third"),
        ("bücher.test", None, "third"),
    ],
)
def test_identity_is_chosen_by_sni_then_stream_then_default(
    stream_to: str | None, server_name: str | None, shown: str
) -> None:
    names = {"first": ["first.test"], "second": ["second.test", "*.second.test"], "third": ["xn--bcher-kva.test"]}
    certificates = {name: issued(*hosts) for name, hosts in names.items()}
    server = contexts(*certificates.values()).accepting(prepare_domain(stream_to) if stream_to else None)
    client, _ = connect(a_client(server_name), server)
    assert peer_chain(client) == certificates[shown].chain


def test_client_shows_the_identity_of_its_own_domain() -> None:
    certificates = [issued("ours.test"), issued("second.test")]
    ours, theirs = contexts(*certificates), contexts(issued("peer.test"))
    for own, certificate in zip(
        (OURS, SECOND, prepare_domain("third.test")), (*certificates, certificates[0]), strict=True
    ):
        assert peer_chain(connect(ours.connecting(own, PEER, direct=False), theirs.accepting())[1]) == certificate.chain


@pytest.mark.parametrize(
    ("peer", "server_name"),
    [("peer.test", "peer.test"), ("bücher.test", "xn--bcher-kva.test"), ("127.0.0.1", ""), ("[2001:db8::1]", "")],
)
def test_server_name_is_the_domain_with_a_labels_and_no_address(peer: str, server_name: str) -> None:
    client = contexts(issued("ours.test")).connecting(OURS, prepare_domain(peer), direct=False)
    server = connect(client, contexts(issued("peer.test")).accepting())[1]
    assert (server.getHandle().get_servername() or b"").decode() == server_name


@pytest.mark.parametrize(
    ("offered", "service", "agreed"),
    [
        ([], "xmpp-server", ""),
        (["xmpp-server"], "xmpp-server", "xmpp-server"),
        (["h2", "xmpp-client", "xmpp-server"], "xmpp-server", "xmpp-server"),
        (["xmpp-client", "xmpp-server"], "xmpp-client", "xmpp-client"),
        (["h2"], "xmpp-server", None),
        (["xmpp-client"], "xmpp-server", None),
    ],
)
def test_alpn_is_tolerant_of_silence_and_strict_about_other_protocols(
    offered: list[str], service: str, agreed: str | None
) -> None:
    server = contexts(issued("peer.test"), issued("second.test")).accepting(service=service)
    client = a_client("second.test", *offered)
    if agreed is None:
        with pytest.raises(NoCommonProtocol, match=f"the client speaks none of {service}"):
            connect(client, server)
        with pytest.raises(SSL.Error, match="no application protocol"):
            client.do_handshake()
    else:
        assert [describe_tls(side).alpn for side in connect(client, server)] == [agreed, agreed]


@pytest.mark.parametrize(("direct", "agreed"), [(True, "xmpp-server"), (False, "")])
def test_alpn_is_offered_for_direct_tls_alone(direct: bool, agreed: str) -> None:
    client = contexts(issued("ours.test")).connecting(OURS, PEER, direct=direct)
    assert describe_tls(connect(client, contexts(issued("peer.test")).accepting())[1]).alpn == agreed


def test_server_that_selects_no_protocol_is_accepted() -> None:
    certificate = issued("peer.test")
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate(certificate.certificate)
    context.use_privatekey(certificate.key)
    server = SSL.Connection(context, None)
    server.set_accept_state()
    client, _ = connect(contexts(issued("ours.test")).connecting(OURS, PEER, direct=True), server)
    assert describe_tls(client).alpn == ""


def test_door_of_clients_and_door_of_servers_have_their_own_contexts() -> None:
    ours = contexts(issued("ours.test"))
    servers = [ours.accepting(OURS).get_context() for _ in range(2)]
    clients = [ours.accepting(OURS, service=CLIENT, ask_certificate=False).get_context() for _ in range(2)]
    assert servers[0] is servers[1] is not clients[0]
    assert clients[0] is clients[1]


def test_new_keyring_serves_new_connections_and_leaves_handshakes_alone() -> None:
    """Also with a handshake under way, whose callbacks belong to a context that nothing else refers to any longer."""
    old, new = issued("peer.test"), issued("peer.test")
    theirs, ours = contexts(old), contexts(issued("ours.test"))
    under_way = theirs.accepting(PEER)
    theirs.keyring = Keyring({PEER: identity(new)})
    first, _ = connect(ours.connecting(OURS, PEER, direct=False), under_way)
    second, _ = connect(ours.connecting(OURS, PEER, direct=False), theirs.accepting(PEER))
    assert (peer_chain(first), peer_chain(second)) == (new.chain, new.chain)  # by SNI, even the one under way
    assert peer_chain(connect(a_client(None), theirs.accepting(PEER))[0]) == new.chain


def test_accepting_without_any_certificate_is_our_bug() -> None:
    with pytest.raises(Misuse):
        contexts().accepting(OURS)


@pytest.mark.parametrize(
    ("rules", "key", "problem"),
    [
        (TLSRules(minimum="1.1"), "minimum", "'1.1' is not one of 1.2, 1.3"),
        (TLSRules(ciphers="NONSENSE"), "ciphers", "OpenSSL finds no cipher of TLS 1.2 in 'NONSENSE'"),
        (TLSRules(ciphers=""), "ciphers", "OpenSSL finds no cipher of TLS 1.2 in ''"),
        (TLSRules(ciphers="ÄES"), "ciphers", "OpenSSL finds no cipher of TLS 1.2 in 'ÄES'"),
    ],
)
def test_mistakes_of_the_operator_are_found_at_once(rules: TLSRules, key: str, problem: str) -> None:
    with pytest.raises(ConfigError) as mistake:
        TLSContexts(Keyring({}), rules)
    assert (mistake.value.key, mistake.value.problem) == (key, problem)


@pytest.mark.parametrize("key", [None, rsa_key(2048)], ids=["ECDSA", "RSA"])
def test_default_ciphers_of_tls_1_2_are_those_of_bcp_195(key: object) -> None:
    ours = contexts(issued("ours.test", key=key))
    offered = ours.accepting(OURS).get_cipher_list()
    older = [cipher for cipher in offered if not cipher.startswith("TLS_")]
    assert older
    assert all(cipher.startswith("ECDHE-") for cipher in older)
    assert all("GCM" in cipher or "CHACHA20" in cipher for cipher in older)


def test_unknown_ciphers_are_named() -> None:
    assert unknown_ciphers("ECDHE+AESGCM:!aNULL:-SHA1:@STRENGTH:AES128-SHA256,NO-SUCH:ROT13-MD5") == (
        "NO-SUCH",
        "ROT13-MD5",
    )


def a_client(server_name: str | None, *protocols: str) -> SSL.Connection:
    """Somebody else's client."""
    connection = SSL.Connection(SSL.Context(SSL.TLS_CLIENT_METHOD), None)
    if server_name:
        connection.set_tlsext_host_name(server_name.encode())
    if protocols:
        connection.set_alpn_protos([protocol.encode() for protocol in protocols])
    connection.set_connect_state()
    return connection


@pytest.mark.parametrize("direct", [True, False])
def test_client_of_another_server_shows_its_own_certificate_or_none(direct: bool) -> None:
    own, theirs = issued(xmpp("gateway@peer.test")), contexts(issued("peer.test"))
    ours = contexts(issued("ours.test"))
    client, server = connect(
        ours.logging_in(identity(own), PEER, direct=direct), theirs.accepting(PEER, service=CLIENT)
    )
    assert peer_chain(server) == own.chain
    assert describe_tls(client).alpn == (CLIENT if direct else "")
    _, server = connect(ours.logging_in(None, PEER, direct=direct), theirs.accepting(PEER, service=CLIENT))
    assert peer_chain(server) == ()
