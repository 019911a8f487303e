"""EXTERNAL (RFC 4422 appendix A, XEP-0178)."""

from __future__ import annotations

import pytest

from gateway.sasl.external import ExternalClient, ExternalServer, client_rule, server_rule
from gateway.sasl.mechanism import Challenge, NeedCredentials, Success
from gateway.xmpp.errors import SaslCondition, SaslFailure
from tests.unit.sasl.exchange import KEYS, authenticate

JULIET = "juliet@example.com"
NURSE = "nurse@example.com"


def proves_wildcard(domain: str) -> bool:
    return domain.endswith(".example.org")


CLIENTS = [
    # accounts in the certificate, authzid, identity or condition (XEP-0178 §2)
    ([JULIET], None, JULIET),
    ([JULIET], JULIET, JULIET),
    ([JULIET], "Juliet@Example.COM", JULIET),
    ([JULIET], NURSE, SaslCondition.INVALID_AUTHZID),
    ([JULIET, NURSE], NURSE, NURSE),
    ([JULIET, NURSE], None, SaslCondition.INVALID_AUTHZID),
    ([JULIET, NURSE], "romeo@example.com", SaslCondition.INVALID_AUTHZID),
    ([JULIET], "juliet@example.com/balcony", SaslCondition.INVALID_AUTHZID),
    ([JULIET], "@@", SaslCondition.INVALID_AUTHZID),
    ([], None, SaslCondition.NOT_AUTHORIZED),
    ([], JULIET, SaslCondition.NOT_AUTHORIZED),
]

SERVERS = [
    # 'from' of the stream header, authzid, identity or condition (XEP-0178 §3)
    ("a.example.org", None, "a.example.org"),
    ("a.example.org", "a.example.org", "a.example.org"),
    ("a.example.org", "A.example.org.", "a.example.org"),
    ("a.example.org", "b.example.org", SaslCondition.INVALID_AUTHZID),
    (None, "b.example.org", "b.example.org"),
    (None, None, SaslCondition.INVALID_AUTHZID),
    ("victim.example", None, SaslCondition.NOT_AUTHORIZED),
    ("victim.example", "a.example.org", SaslCondition.INVALID_AUTHZID),
    (None, "victim.example", SaslCondition.NOT_AUTHORIZED),
]


@pytest.mark.parametrize(("accounts", "authzid", "result"), CLIENTS)
def test_client_acts_as_what_its_certificate_names(accounts: list[str], authzid: str | None, result: str) -> None:
    check(ExternalServer(client_rule(accounts)), authzid, result)


@pytest.mark.parametrize(("sender", "authzid", "result"), SERVERS)
def test_server_acts_as_the_sender_of_its_stream(sender: str | None, authzid: str | None, result: str) -> None:
    check(ExternalServer(server_rule(sender, proves_wildcard)), authzid, result)


def check(server: ExternalServer, authzid: str | None, result: str) -> None:
    client = ExternalClient(authzid=authzid)
    if isinstance(result, SaslCondition):
        with pytest.raises(SaslFailure) as caught:
            authenticate(client, server)
        assert caught.value.condition is result
    else:
        assert authenticate(client, server) == Success(identity=result)


def test_empty_challenge_asks_a_client_without_initial_response() -> None:
    server = ExternalServer(client_rule([JULIET]))
    assert server.begin(None) == Challenge(payload=b"")
    assert server.respond(b"") == Success(identity=JULIET)


@pytest.mark.parametrize("exists", [True, False])
def test_a_certificate_is_not_enough_where_an_account_is_needed(exists: bool) -> None:
    server = ExternalServer(client_rule([JULIET]), of_account=True)
    asked = server.begin(b"")
    assert isinstance(asked, NeedCredentials)
    assert asked.account == JULIET
    if exists:
        assert server.supply(KEYS[asked.hashes[0]]) == Success(identity=JULIET)
    else:
        with pytest.raises(SaslFailure) as caught:
            server.supply(None)
        assert caught.value.condition is SaslCondition.NOT_AUTHORIZED


def test_a_server_that_answers_with_data_is_refused() -> None:
    client = ExternalClient(authzid=JULIET)
    assert client.begin() == JULIET.encode()
    with pytest.raises(SaslFailure, match="with data"):
        client.respond(b"data")


@pytest.mark.parametrize(
    ("message", "condition"),
    [
        (b"\xff", SaslCondition.MALFORMED_REQUEST),
        (b"juliet@example.com\0", SaslCondition.INVALID_AUTHZID),
        (b"x" * 4000, SaslCondition.INVALID_AUTHZID),
    ],
)
def test_malformed_message_is_refused(message: bytes, condition: SaslCondition) -> None:
    with pytest.raises(SaslFailure) as caught:
        ExternalServer(client_rule([JULIET])).begin(message)
    assert caught.value.condition is condition


def test_response_out_of_turn_is_refused_and_ends_the_exchange() -> None:
    server = ExternalServer(client_rule([JULIET]))
    server.begin(b"")
    with pytest.raises(SaslFailure) as caught:
        server.respond(b"")
    assert caught.value.condition is SaslCondition.MALFORMED_REQUEST
