"""One SASL exchange without a stream: a client mechanism, a server mechanism, and the accounts between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gateway.sasl.keys import Decoys, ScramHash, ScramKeys
from gateway.sasl.mechanism import Challenge, ClientMechanism, NeedCredentials, ServerMechanism, ServerStep, Success
from gateway.sasl.payload import (
    decode_optional_payload,
    decode_payload,
    encode_optional_payload,
    encode_payload,
)

DOMAIN = "example.com"
ACCOUNT = "juliet@example.com"
PASSWORD = "R0m30myr0m30"
ITERATIONS = 4096
DECOYS = Decoys(b"a secret of the server", iterations=ITERATIONS)
KEYS = {hash: ScramKeys.derive(hash, PASSWORD, salt=b"0123456789abcdef", iterations=ITERATIONS) for hash in ScramHash}


def tokens(*values: str) -> Callable[[], str]:
    """Nonces that a test knows, one after the other."""
    iterator: Iterator[str] = iter(values)
    return lambda: next(iterator)


def look_up(need: NeedCredentials) -> ScramKeys | None:
    """Return what a store of one account answers."""
    return KEYS[need.hashes[0]] if need.account == ACCOUNT else None


def supply(server: ServerMechanism, step: ServerStep) -> ServerStep:
    """Answer a lookup, if there is one."""
    return server.supply(look_up(step)) if isinstance(step, NeedCredentials) else step


def authenticate(client: ClientMechanism, server: ServerMechanism) -> Success:
    """Run the exchange to its success on both sides, by way of the character data of XMPP; raise either's refusal."""
    auth = encode_optional_payload(client.begin())
    step = supply(server, server.begin(decode_optional_payload(auth)))
    while isinstance(step, Challenge):
        response = client.respond(decode_payload(encode_payload(step.payload)))
        step = supply(server, server.respond(decode_payload(encode_payload(response))))
    assert isinstance(step, Success)
    client.succeed(decode_optional_payload(encode_optional_payload(step.payload)))
    return step
