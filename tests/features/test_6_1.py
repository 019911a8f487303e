"""6-1: TLS_RSA_WITH_3DES_EDE_CBC_SHA is superseded: ciphers are configurable, the default is BCP 195 (RFC 9325 §4)."""

from __future__ import annotations

import pytest
from OpenSSL import SSL

from gateway.net.tls.contexts import TLSRules, unknown_ciphers
from gateway.net.tls.session import describe_tls
from gateway.xmpp.addresses import prepare_domain
from tests.support.ca import authority, rsa_key
from tests.support.tls import connect, contexts

SUPERSEDED = "DES-CBC3-SHA"
OURS, PEER = prepare_domain("ours.test"), prepare_domain("peer.test")


def a_server(rules: TLSRules):
    return contexts(authority().issue("peer.test", key=rsa_key(2048)), rules=rules).accepting(PEER)


def a_client(ciphers: str) -> SSL.Connection:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_cipher_list(ciphers.encode())
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    connection = SSL.Connection(context, None)
    connection.set_connect_state()
    return connection


@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-RSA-AES256-SHA"])
def test_cipher_outside_bcp_195_is_refused_unless_the_operator_lists_it(cipher: str) -> None:
    with pytest.raises(SSL.Error):
        connect(a_client(cipher), a_server(TLSRules()))
    listed = a_server(TLSRules(ciphers=f"ECDHE+AESGCM:{cipher}"))
    assert describe_tls(connect(a_client(cipher), listed)[1]).cipher == cipher


def test_listed_ciphers_serve_outgoing_streams_too() -> None:
    rules = TLSRules(ciphers="ECDHE-RSA-AES256-SHA")
    client = contexts(authority().issue("ours.test"), rules=rules).connecting(OURS, PEER, direct=False)
    older = [cipher for cipher in client.get_cipher_list() if not cipher.startswith("TLS_")]
    assert older == ["ECDHE-RSA-AES256-SHA"]


def test_triple_des_is_offered_where_openssl_has_it_and_named_where_not() -> None:
    ciphers = f"ECDHE+AESGCM:{SUPERSEDED}"
    offered = a_server(TLSRules(ciphers=ciphers)).get_cipher_list()
    assert (SUPERSEDED in offered) is not (SUPERSEDED in unknown_ciphers(ciphers))
    assert SUPERSEDED not in a_server(TLSRules()).get_cipher_list()
