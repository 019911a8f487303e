"""PLAIN (RFC 4616)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sasl.keys import ScramHash
from gateway.sasl.mechanism import Challenge, NeedCredentials, Success
from gateway.sasl.plain import PlainClient, PlainServer
from gateway.xmpp.errors import SaslCondition, SaslFailure
from tests.unit.sasl.exchange import ACCOUNT, DECOYS, DOMAIN, PASSWORD, authenticate, look_up


def make_server() -> PlainServer:
    return PlainServer(domain=DOMAIN, decoys=DECOYS)


def outcome(message: bytes) -> Success:
    server = make_server()
    step = server.begin(message)
    assert isinstance(step, NeedCredentials)
    done = server.supply(look_up(step))
    assert isinstance(done, Success)
    return done


@pytest.mark.parametrize("authzid", [None, ACCOUNT, "JULIET@example.com"])
def test_right_password_succeeds(authzid: str | None) -> None:
    client = PlainClient(username="juliet", password=PASSWORD, authzid=authzid)
    assert authenticate(client, make_server()) == Success(identity=ACCOUNT)


def test_keys_of_any_hash_are_asked_for_the_stronger_first() -> None:
    step = make_server().begin(b"\0juliet\0x")
    assert step == NeedCredentials(account=ACCOUNT, hashes=(ScramHash.SHA_256, ScramHash.SHA_1))


def test_empty_challenge_asks_a_client_without_initial_response() -> None:
    server = make_server()
    assert server.begin(None) == Challenge(payload=b"")
    assert isinstance(server.respond(b"\0juliet\0x"), NeedCredentials)


@pytest.mark.parametrize(
    ("message", "condition"),
    [
        (b"\0juliet\0wrong", SaslCondition.NOT_AUTHORIZED),
        (b"\0juliet\0\x07", SaslCondition.NOT_AUTHORIZED),
        (b"\0nobody\0" + PASSWORD.encode(), SaslCondition.NOT_AUTHORIZED),
        (b"\0juliet@example.com\0" + PASSWORD.encode(), SaslCondition.NOT_AUTHORIZED),
        (b"romeo@example.com\0juliet\0" + PASSWORD.encode(), SaslCondition.INVALID_AUTHZID),
        (b"romeo@example.com\0juliet\0wrong", SaslCondition.NOT_AUTHORIZED),
        (b"", SaslCondition.MALFORMED_REQUEST),
        (b"juliet\0x", SaslCondition.MALFORMED_REQUEST),
        (b"\0juliet\0", SaslCondition.MALFORMED_REQUEST),
        (b"\0\0x", SaslCondition.MALFORMED_REQUEST),
        (b"\0juliet\0a\0b", SaslCondition.MALFORMED_REQUEST),
        (b"\0juliet\0\xff", SaslCondition.MALFORMED_REQUEST),
        (b"\0juliet\0" + b"x" * 9000, SaslCondition.MALFORMED_REQUEST),
    ],
)
def test_refusals(message: bytes, condition: SaslCondition) -> None:
    with pytest.raises(SaslFailure) as caught:
        outcome(message)
    assert caught.value.condition is condition
    assert PASSWORD not in str(caught.value)


@given(st.binary(max_size=40))
def test_garbage_raises_saslfailure_and_nothing_else(message: bytes) -> None:
    with pytest.raises(SaslFailure):
        outcome(message)


def test_server_that_answers_with_data_is_refused() -> None:
    client = PlainClient(username="juliet", password=PASSWORD)
    client.begin()
    with pytest.raises(SaslFailure):
        client.succeed(b"data")
