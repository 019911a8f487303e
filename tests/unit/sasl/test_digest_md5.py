"""DIGEST-MD5 (RFC 2831)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sasl.digest_md5 import Digest, DigestMd5Client, DigestMd5Server, read_challenge, read_directives
from gateway.sasl.mechanism import Challenge, Success
from gateway.xmpp.errors import SaslCondition, SaslFailure
from tests.unit.sasl.exchange import authenticate, tokens

SECRET = "a secret of two servers"


def make_server(**changes: str) -> DigestMd5Server:
    arguments = {"realm": "example.com", "peer": "example.org", "secret": SECRET} | changes
    return DigestMd5Server(**arguments, token=tokens("servernonce"))


def make_client(**changes: str) -> DigestMd5Client:
    arguments = {"username": "example.org", "target": "example.com", "secret": SECRET} | changes
    return DigestMd5Client(**arguments, token=tokens("clientnonce"))


@pytest.mark.parametrize(
    ("uri", "nonce", "cnonce", "response", "response_auth"),
    [
        (
            "imap/elwood.innosoft.com",
            "OA6MG9tEQGm2hh",
            "OA6MHXh6VqTrRk",
            b"d388dad90d4bbd760a152321f2143af7",
            b"ea40f60335c427b5527b84dbabcdfffd",
        ),
        (
            "acap/elwood.innosoft.com",
            "OA9BSXrbuRhWay",
            "OA9BSuZWMSpW8m",
            b"6084c6db3fede7352c551284490fd0fc",
            b"2f0b3d7c3c2e486600ef710726aa2eae",
        ),
    ],
)
def test_examples_of_rfc_2831_section_4(
    uri: str, nonce: str, cnonce: str, response: bytes, response_auth: bytes
) -> None:
    digest = Digest(username="chris", realm="elwood.innosoft.com", nonce=nonce, cnonce=cnonce, uri=uri, authzid=None)
    assert digest.response("secret") == response
    assert digest.response_auth("secret") == response_auth


@pytest.mark.parametrize("authzid", [{}, {"authzid": "example.org"}, {"authzid": "EXAMPLE.org"}])
@pytest.mark.parametrize("secret", [SECRET, 'with "quotes" and \\', "schlüssel", "ключ"])
def test_servers_that_share_a_secret_succeed(secret: str, authzid: dict[str, str]) -> None:
    done = authenticate(make_client(secret=secret, **authzid), make_server(secret=secret))
    assert done == Success(identity="example.org")


def test_domain_beyond_ascii_succeeds() -> None:
    client = make_client(username="bücher.example", target="цифра.example")
    assert authenticate(client, make_server(peer="bücher.example", realm="цифра.example")).identity == "bücher.example"


@pytest.mark.parametrize(
    ("changes", "condition"),
    [
        ({"secret": "another"}, SaslCondition.NOT_AUTHORIZED),
        ({"username": "example.net"}, SaslCondition.NOT_AUTHORIZED),
        ({"username": "a b"}, SaslCondition.NOT_AUTHORIZED),
        ({"target": "example.net"}, SaslCondition.MALFORMED_REQUEST),
        ({"service": "imap"}, SaslCondition.MALFORMED_REQUEST),
        ({"authzid": "example.net"}, SaslCondition.INVALID_AUTHZID),
    ],
)
def test_client_that_is_not_the_peer_is_refused(changes: dict[str, str], condition: SaslCondition) -> None:
    with pytest.raises(SaslFailure) as caught:
        authenticate(make_client(**changes), make_server())
    assert caught.value.condition is condition


def test_server_that_does_not_know_the_secret_is_refused() -> None:
    client = make_client()
    assert client.begin() is None
    client.respond(b'realm="example.com",nonce="x",qop="auth",charset=utf-8,algorithm=md5-sess')
    with pytest.raises(SaslFailure, match="does not know"):
        client.succeed(b"rspauth=ea40f60335c427b5527b84dbabcdfffd")


def test_last_response_must_be_empty() -> None:
    client, server = make_client(), make_server()
    client.begin()
    step = server.begin(None)
    assert isinstance(step, Challenge)
    assert isinstance(server.respond(client.respond(step.payload)), Challenge)
    with pytest.raises(SaslFailure) as caught:
        server.respond(b"more")
    assert caught.value.condition is SaslCondition.MALFORMED_REQUEST


def test_success_before_the_server_proved_itself_is_refused() -> None:
    client = make_client()
    client.begin()
    client.respond(b'realm="example.com",nonce="x",qop="auth",charset=utf-8,algorithm=md5-sess')
    with pytest.raises(SaslFailure):
        client.succeed(None)


@pytest.mark.parametrize(
    "challenge",
    [
        b"",
        b'nonce="x",charset=utf-8',
        b'nonce="x",algorithm=md5,charset=utf-8',
        b'nonce="x",algorithm=md5-sess',
        b'nonce="x",nonce="y",algorithm=md5-sess,charset=utf-8',
        b'nonce="x",qop="auth-conf",algorithm=md5-sess,charset=utf-8',
        b'nonce="x,algorithm=md5-sess,charset=utf-8',
        b"x" * 5000,
    ],
)
def test_challenge_that_we_cannot_answer_is_refused(challenge: bytes) -> None:
    with pytest.raises(SaslFailure):
        read_challenge(challenge)


def test_realm_of_the_target_is_chosen_among_several() -> None:
    client = make_client()
    client.begin()
    common = b'nonce="x",charset=utf-8,algorithm=md5-sess'
    assert b'realm="example.com"' in client.respond(b'realm="other",realm="example.com",' + common)


def test_directives_are_read_as_http_lists_are() -> None:
    assert read_directives(b' a=b , ,C = "d\\"e,\\\\" ,\r\n\tf=g ') == {"a": "b", "c": 'd"e,\\', "f": "g"}


@pytest.mark.parametrize("message", [b"a", b"a=", b"a=b c=d", b'a="b', b"a=b,a=c", b"=b", b'charset=utf-8,a="\xff"'])
def test_what_is_no_list_of_directives_is_malformed(message: bytes) -> None:
    with pytest.raises(SaslFailure) as caught:
        read_directives(message)
    assert caught.value.condition is SaslCondition.MALFORMED_REQUEST


def test_initial_response_is_refused() -> None:
    with pytest.raises(SaslFailure):
        make_server().begin(b"username=example.org")


def answer() -> bytes:
    client, step = make_client(), make_server().begin(None)
    client.begin()
    assert isinstance(step, Challenge)
    return client.respond(step.payload)


ANSWER = answer()


@given(st.integers(0, len(ANSWER) - 1), st.binary(max_size=2))
def test_mutated_response_is_refused_by_saslfailure_and_nothing_else(position: int, inserted: bytes) -> None:
    mutated = ANSWER[:position] + inserted + ANSWER[position + 1 :]
    server = make_server()
    server.begin(None)
    try:
        server.respond(mutated)
    except SaslFailure:
        return
    assert proven(mutated) == proven(ANSWER)


def proven(message: bytes) -> list[str]:
    """Return what the digest is over, and itself; unknown directives are ignored, so they may change."""
    directives = read_directives(message)
    return [directives[name] for name in ("username", "nonce", "cnonce", "realm", "nc", "digest-uri", "response")]
