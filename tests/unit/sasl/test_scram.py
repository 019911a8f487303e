"""SCRAM, both sides (RFC 5802, RFC 7677, RFC 9266)."""

from __future__ import annotations

import base64
from collections.abc import Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sasl.keys import ScramHash, ScramKeys
from gateway.sasl.mechanism import Challenge, NeedCredentials, Success
from gateway.sasl.scram import (
    BindingType,
    ChannelBinding,
    ScramClient,
    ScramMechanism,
    ScramServer,
)
from gateway.xmpp.errors import Misuse, SaslCondition, SaslFailure
from tests.unit.sasl.exchange import ACCOUNT, DECOYS, DOMAIN, KEYS, PASSWORD, authenticate, look_up, tokens

EXPORTER = ChannelBinding(type=BindingType.TLS_EXPORTER, data=b"e" * 32)
END_POINT = ChannelBinding(type=BindingType.TLS_SERVER_END_POINT, data=b"p" * 32)


def make_server(
    mechanism: ScramMechanism = ScramMechanism.SHA_256, bindings: Collection[ChannelBinding] = ()
) -> ScramServer:
    return ScramServer(mechanism, domain=DOMAIN, decoys=DECOYS, token=tokens("servernonce"), bindings=bindings)


def make_client(
    mechanism: ScramMechanism = ScramMechanism.SHA_256,
    *,
    username: str = "juliet",
    password: str = PASSWORD,
    authzid: str | None = None,
    binding: ChannelBinding | None = None,
) -> ScramClient:
    return ScramClient(
        mechanism,
        username=username,
        password=password,
        token=tokens("clientnonce"),
        authzid=authzid,
        binding=binding,
    )


def refusal(client: ScramClient, server: ScramServer) -> SaslFailure:
    with pytest.raises(SaslFailure) as caught:
        authenticate(client, server)
    return caught.value


VECTORS = {
    "RFC 5802 §5": (
        ScramMechanism.SHA_1,
        "fyko+d2lbbFgONRv9qkxdawL",
        "3rfcNHYJY1ZVvWVs7j",
        "QSXCR+Q6sek8bf92",
        "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
        "rmF9pqV8S7suAoZWja4dJRkFsKQ=",
    ),
    "RFC 7677 §3": (
        ScramMechanism.SHA_256,
        "rOprNGfwEbeRWgbNEkqO",
        "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        "W22ZaJ0SNY7soEsUEjb6gQ==",
        "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ),
}


@pytest.mark.parametrize("vector", VECTORS.values(), ids=VECTORS)
def test_both_sides_speak_the_exchange_of_the_rfc(vector: tuple[ScramMechanism, str, str, str, str, str]) -> None:
    mechanism, client_nonce, server_nonce, salt, proof, signature = vector
    keys = ScramKeys.derive(mechanism.hash, "pencil", salt=base64.b64decode(salt), iterations=4096)
    client = ScramClient(mechanism, username="user", password="pencil", token=tokens(client_nonce))
    server = ScramServer(mechanism, domain=DOMAIN, decoys=DECOYS, token=tokens(server_nonce))
    client_first = f"n,,n=user,r={client_nonce}".encode()
    server_first = f"r={client_nonce}{server_nonce},s={salt},i=4096".encode()
    client_final = f"c=biws,r={client_nonce}{server_nonce},p={proof}".encode()
    server_final = f"v={signature}".encode()

    assert client.begin() == client_first
    assert server.begin(client_first) == NeedCredentials(account="user@example.com", hashes=(mechanism.hash,))
    assert server.supply(keys) == Challenge(payload=server_first)
    assert client.respond(server_first) == client_final
    assert server.respond(client_final) == Success(identity="user@example.com", payload=server_final)
    client.succeed(server_final)


@pytest.mark.parametrize("mechanism", list(ScramMechanism))
@pytest.mark.parametrize("binding", [EXPORTER, END_POINT])
def test_every_mechanism_and_binding_succeeds(mechanism: ScramMechanism, binding: ChannelBinding) -> None:
    bindings = [EXPORTER, END_POINT] if mechanism.plus else []
    done = authenticate(make_client(mechanism, binding=binding), make_server(mechanism, bindings))
    assert done.identity == ACCOUNT


def test_client_without_channel_binding_succeeds_where_it_is_offered() -> None:
    assert authenticate(make_client(), make_server(bindings=[EXPORTER])).identity == ACCOUNT


def test_own_password_that_cannot_be_one_is_named_before_anything_is_proved() -> None:
    client = ScramClient(ScramMechanism.SHA_1, username="user", password="\x07", token=tokens("ours"))
    client.begin()
    with pytest.raises(SaslFailure, match="our own password"):
        client.respond(b"r=ourstheirs,s=QSXCR+Q6sek8bf92,i=4096")


def test_mechanism_names_are_in_order_of_preference_and_say_their_hash() -> None:
    assert [str(name) for name in ScramMechanism] == [
        "SCRAM-SHA-256-PLUS",
        "SCRAM-SHA-1-PLUS",
        "SCRAM-SHA-256",
        "SCRAM-SHA-1",
    ]
    assert [name.hash for name in ScramMechanism] == [ScramHash.SHA_256, ScramHash.SHA_1] * 2


def test_empty_challenge_asks_a_client_without_initial_response() -> None:
    server = make_server()
    assert server.begin(None) == Challenge(payload=b"")
    assert isinstance(server.respond(b"n,,n=juliet,r=x"), NeedCredentials)


@pytest.mark.parametrize("username", ["JULIET", "\uff4auliet"])
def test_username_is_prepared_as_a_localpart(username: str) -> None:
    assert authenticate(make_client(username=username), make_server()).identity == ACCOUNT


@pytest.mark.parametrize("authzid", ["juliet@example.com", "Juliet@EXAMPLE.com."])
def test_own_address_as_authzid_is_accepted(authzid: str) -> None:
    assert authenticate(make_client(authzid=authzid), make_server()).identity == ACCOUNT


@pytest.mark.parametrize("authzid", ["romeo@example.com", "juliet@example.com/balcony", "example.com", "@", "a b@c d"])
def test_authzid_of_another_is_invalid_authzid(authzid: str) -> None:
    assert refusal(make_client(authzid=authzid), make_server()).condition is SaslCondition.INVALID_AUTHZID


def test_wrong_password_is_told_before_a_wrong_authzid() -> None:
    client = make_client(password="wrong", authzid="romeo@example.com")
    assert refusal(client, make_server()).condition is SaslCondition.NOT_AUTHORIZED


@pytest.mark.parametrize("username", ["juliet@example.com", "a b", "\u2028", "x" * 2000])
def test_username_that_cannot_be_a_localpart_is_not_authorized(username: str) -> None:
    assert refusal(make_client(username=username), make_server()).condition is SaslCondition.NOT_AUTHORIZED


class TestChannelBinding:
    def test_other_data_on_the_other_end_is_not_authorized(self) -> None:
        between = ChannelBinding(type=BindingType.TLS_EXPORTER, data=b"x" * 32)
        client = make_client(ScramMechanism.SHA_256_PLUS, binding=between)
        server = make_server(ScramMechanism.SHA_256_PLUS, [EXPORTER])
        assert refusal(client, server).condition is SaslCondition.NOT_AUTHORIZED

    def test_offer_removed_in_between_is_detected(self) -> None:
        client = make_client(binding=EXPORTER)
        failure = refusal(client, make_server(bindings=[EXPORTER]))
        assert failure.condition is SaslCondition.NOT_AUTHORIZED
        assert "removed" in failure.reason

    @pytest.mark.parametrize("header", ["n,,", "y,,", "p=tls-unique,,", "p=tls-server-end-point,,", "p=nonsense,,"])
    def test_plus_wants_a_binding_type_that_was_offered(self, header: str) -> None:
        server = make_server(ScramMechanism.SHA_1_PLUS, [EXPORTER])
        with pytest.raises(SaslFailure):
            server.begin(f"{header}n=juliet,r=x".encode())

    def test_binding_under_a_name_without_plus_is_malformed(self) -> None:
        server = make_server(bindings=[EXPORTER])
        with pytest.raises(SaslFailure) as caught:
            server.begin(b"p=tls-exporter,,n=juliet,r=x")
        assert caught.value.condition is SaslCondition.MALFORMED_REQUEST

    def test_header_repeated_in_the_last_message_must_be_the_first_one(self) -> None:
        client, server = make_client(), make_server()
        step = server.begin((client.begin() or b"").replace(b"n,,", b"y,,"))
        assert isinstance(step, NeedCredentials)
        challenge = server.supply(look_up(step))
        assert isinstance(challenge, Challenge)
        with pytest.raises(SaslFailure) as caught:
            server.respond(client.respond(challenge.payload))
        assert caught.value.condition is SaslCondition.NOT_AUTHORIZED

    def test_plus_cannot_be_built_without_a_binding(self) -> None:
        with pytest.raises(Misuse):
            make_server(ScramMechanism.SHA_256_PLUS)
        with pytest.raises(Misuse):
            make_client(ScramMechanism.SHA_256_PLUS)

    def test_repr_does_not_show_the_data(self) -> None:
        assert "eee" not in repr(EXPORTER)


class TestClient:
    def challenged(self, message: bytes) -> bytes:
        client = make_client()
        client.begin()
        return client.respond(message)

    @pytest.mark.parametrize(
        ("message", "condition"),
        [
            (b"r=clientnonce,s=c2FsdA==,i=4096", SaslCondition.NOT_AUTHORIZED),  # the server adds nothing
            (b"r=othernonce,s=c2FsdA==,i=4096", SaslCondition.NOT_AUTHORIZED),
            (b"r=clientnoncex,s=c2FsdA==,i=4095", SaslCondition.MECHANISM_TOO_WEAK),
            (b"r=clientnoncex,s=c2FsdA==,i=2000001", SaslCondition.MECHANISM_TOO_WEAK),
            (b"e=other-error", SaslCondition.MALFORMED_REQUEST),
            (b"", SaslCondition.MALFORMED_REQUEST),
        ],
    )
    def test_unacceptable_first_message_of_the_server_is_refused(
        self, message: bytes, condition: SaslCondition
    ) -> None:
        with pytest.raises(SaslFailure) as caught:
            self.challenged(message)
        assert caught.value.condition is condition

    def test_server_without_the_keys_is_refused(self) -> None:
        client, server = make_client(), make_server()
        step = server.begin(client.begin())
        assert isinstance(step, NeedCredentials)
        challenge = server.supply(look_up(step))
        assert isinstance(challenge, Challenge)
        client.respond(challenge.payload)
        with pytest.raises(SaslFailure, match="does not know"):
            client.succeed(b"v=" + base64.b64encode(bytes(32)))

    @pytest.mark.parametrize("payload", [None, b""])
    @pytest.mark.parametrize("challenges", [[], [b"r=clientnoncex,s=c2FsdA==,i=4096"]])
    def test_success_before_the_server_proved_itself_is_refused(
        self, challenges: list[bytes], payload: bytes | None
    ) -> None:
        client = make_client()
        client.begin()
        for challenge in challenges:
            client.respond(challenge)
        with pytest.raises(SaslFailure):
            client.succeed(payload)

    def test_signature_in_a_challenge_is_answered_with_an_empty_response(self) -> None:
        client, server = make_client(), make_server()
        step = server.begin(client.begin())
        assert isinstance(step, NeedCredentials)
        challenge = server.supply(look_up(step))
        assert isinstance(challenge, Challenge)
        done = server.respond(client.respond(challenge.payload))
        assert isinstance(done, Success)
        assert client.respond(done.payload or b"") == b""
        client.succeed(None)
        with pytest.raises(SaslFailure):
            client.respond(b"more")


def transcript() -> tuple[bytes, bytes, bytes, bytes]:
    """The four messages of an exchange that succeeds."""
    client, server = make_client(), make_server()
    first = client.begin() or b""
    step = server.begin(first)
    assert isinstance(step, NeedCredentials)
    challenge = server.supply(look_up(step))
    assert isinstance(challenge, Challenge)
    final = client.respond(challenge.payload)
    done = server.respond(final)
    assert isinstance(done, Success)
    return first, challenge.payload, final, done.payload or b""


CLIENT_FIRST, SERVER_FIRST, CLIENT_FINAL, SERVER_FINAL = transcript()


@st.composite
def mutations(draw: st.DrawFn, message: bytes) -> bytes:
    """A message with a few bytes cut out, replaced or put in."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(message)))
        stop = draw(st.integers(start, min(len(message), start + 4)))
        inserted = draw(st.sampled_from([b"", b",", b"=", b"\0", b"m=x,", b"a=", b"\xff"]) | st.binary(max_size=3))
        message = message[:start] + inserted + message[stop:]
    return message


def serve(first: bytes, final: bytes) -> None:
    server = make_server()
    step = server.begin(first)
    assert isinstance(step, NeedCredentials)
    assert isinstance(server.supply(look_up(step)), Challenge)
    server.respond(final)


@given(mutations(CLIENT_FIRST) | st.binary(max_size=60), mutations(CLIENT_FINAL) | st.just(CLIENT_FINAL))
def test_mutated_messages_raise_saslfailure_and_nothing_else(first: bytes, final: bytes) -> None:
    if (first, final) != (CLIENT_FIRST, CLIENT_FINAL):
        with pytest.raises(SaslFailure):
            serve(first, final)


def connect(challenge: bytes, success: bytes) -> None:
    client = make_client()
    client.begin()
    client.respond(challenge)
    client.succeed(success)


@given(mutations(SERVER_FIRST) | st.just(SERVER_FIRST), mutations(SERVER_FINAL) | st.just(SERVER_FINAL))
def test_mutated_messages_of_a_server_raise_saslfailure_and_nothing_else(challenge: bytes, success: bytes) -> None:
    extended = success.startswith(SERVER_FINAL + b",")  # the one part that no signature covers
    if (challenge, success) != (SERVER_FIRST, SERVER_FINAL) and not extended:
        with pytest.raises(SaslFailure):
            connect(challenge, success)


def test_keys_of_another_hash_are_our_own_bug() -> None:
    server = make_server()
    server.begin(CLIENT_FIRST)
    with pytest.raises(Misuse):
        server.supply(KEYS[ScramHash.SHA_1])
