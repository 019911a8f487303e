"""The classes that drive a conversation."""

from __future__ import annotations

import pytest

from gateway.sasl.mechanism import NeedCredentials, account_of
from gateway.sasl.plain import PlainClient, PlainServer
from gateway.sasl.scram import ScramClient, ScramMechanism
from gateway.xmpp.errors import Misuse, SaslCondition, SaslFailure
from tests.unit.sasl.exchange import DECOYS, DOMAIN, PASSWORD, look_up

MESSAGE = f"\0juliet\0{PASSWORD}".encode()


def make_server() -> PlainServer:
    return PlainServer(domain=DOMAIN, decoys=DECOYS)


def test_response_while_the_account_is_looked_up_is_malformed_and_ends_the_exchange() -> None:
    server = make_server()
    step = server.begin(MESSAGE)
    assert isinstance(step, NeedCredentials)
    with pytest.raises(SaslFailure) as caught:
        server.respond(MESSAGE)
    assert caught.value.condition is SaslCondition.MALFORMED_REQUEST
    with pytest.raises(Misuse):
        server.supply(look_up(step))


def test_response_after_a_failure_is_malformed() -> None:
    server = make_server()
    for _ in range(2):
        with pytest.raises(SaslFailure) as caught:
            server.begin(b"garbage") if server._conversation is None else server.respond(MESSAGE)
        assert caught.value.condition is SaslCondition.MALFORMED_REQUEST


def test_mechanism_serves_one_exchange() -> None:
    server, client = make_server(), PlainClient(username="juliet", password=PASSWORD)
    server.begin(MESSAGE)
    client.begin()
    with pytest.raises(Misuse):
        server.begin(MESSAGE)
    with pytest.raises(Misuse):
        client.begin()


def test_response_before_the_exchange_has_begun_is_malformed() -> None:
    with pytest.raises(SaslFailure) as caught:
        make_server().respond(MESSAGE)
    assert caught.value.condition is SaslCondition.MALFORMED_REQUEST


def test_success_in_the_middle_of_the_exchange_is_refused() -> None:
    client = ScramClient(ScramMechanism.SHA_1, username="juliet", password=PASSWORD, token=lambda: "ours")
    client.begin()
    with pytest.raises(SaslFailure, match="before its last step"):
        client.succeed(b"r=ourstheirs,s=QSXCR+Q6sek8bf92,i=4096")


def test_an_account_has_a_name() -> None:
    with pytest.raises(SaslFailure) as caught:
        account_of("", DOMAIN)
    assert caught.value.condition is SaslCondition.NOT_AUTHORIZED


def test_credentials_that_nobody_asked_for_are_our_own_bug() -> None:
    server = make_server()
    server.begin(None)
    with pytest.raises(Misuse):
        server.supply(None)
    with pytest.raises(Misuse):
        PlainClient(username="juliet", password=PASSWORD).respond(b"")


def test_server_that_was_refused_once_cannot_succeed_any_more() -> None:
    client = ScramClient(ScramMechanism.SHA_256, username="juliet", password=PASSWORD, token=lambda: "nonce")
    client.begin()
    for _ in range(2):
        with pytest.raises(SaslFailure):
            client.succeed(b"v=nonsense")
