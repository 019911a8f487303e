"""H-17: an unknown account and a wrong password look and last the same, in every password mechanism."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import pytest

from gateway.sasl.keys import SALT_BYTES, Decoys, ScramHash, ScramKeys
from gateway.sasl.mechanism import Challenge, NeedCredentials, ServerMechanism
from gateway.sasl.plain import PlainServer
from gateway.sasl.scram import ScramClient, ScramMechanism, ScramServer
from gateway.xmpp.errors import SaslFailure

DOMAIN = "example.com"
ITERATIONS = 4096
DECOYS = Decoys(b"a secret of the server", iterations=ITERATIONS)
KEYS = {
    hash: ScramKeys.derive(hash, "the right one", salt=b"s" * SALT_BYTES, iterations=ITERATIONS) for hash in ScramHash
}
ACCOUNT = "juliet@example.com"


def plain() -> ServerMechanism:
    return PlainServer(domain=DOMAIN, decoys=DECOYS)


def scram(mechanism: ScramMechanism) -> Callable[[], ServerMechanism]:
    return lambda: ScramServer(mechanism, domain=DOMAIN, decoys=DECOYS, token=lambda: "servernonce")


def supply(server: ServerMechanism, step: object) -> object:
    assert isinstance(step, NeedCredentials)
    return server.supply(KEYS[step.hashes[0]] if step.account == ACCOUNT else None)


def try_plain(server: ServerMechanism, username: str) -> list[Any]:
    step = server.begin(f"\0{username}\0the wrong one".encode())
    with pytest.raises(SaslFailure) as caught:
        supply(server, step)
    return [caught.value.condition, caught.value.text]


def try_scram(mechanism: ScramMechanism, server: ServerMechanism, username: str) -> list[Any]:
    client = ScramClient(mechanism, username=username, password="the wrong one", token=lambda: "clientnonce")
    challenge = supply(server, server.begin(client.begin()))
    assert isinstance(challenge, Challenge)
    with pytest.raises(SaslFailure) as caught:
        server.respond(client.respond(challenge.payload))
    without_salt = challenge.payload.split(b",")[0::2]
    return [without_salt, len(challenge.payload), caught.value.condition, caught.value.text]


@pytest.mark.parametrize("mechanism", [ScramMechanism.SHA_1, ScramMechanism.SHA_256])
def test_h_17_scram_answers_both_alike(mechanism: ScramMechanism) -> None:
    known = try_scram(mechanism, scram(mechanism)(), "juliet")
    assert try_scram(mechanism, scram(mechanism)(), "nobody") == known


def test_h_17_plain_answers_both_alike() -> None:
    assert try_plain(plain(), "nobody") == try_plain(plain(), "juliet")


def test_h_17_asking_twice_and_in_other_spellings_shows_one_salt() -> None:
    challenges = set()
    for username in ("nobody", "nobody", "NoBody"):
        server = scram(ScramMechanism.SHA_256)()
        challenge = supply(server, server.begin(f"n,,n={username},r=x".encode()))
        assert isinstance(challenge, Challenge)
        challenges.add(challenge.payload)
    assert len(challenges) == 1


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Every keyed hash that is computed: the function and, where it has them, its iterations."""
    done: list[tuple[Any, ...]] = []
    pbkdf2, digest = hashlib.pbkdf2_hmac, hmac.digest

    def counted_pbkdf2(name: str, password: bytes, salt: bytes, iterations: int) -> bytes:
        done.append(("pbkdf2", name, iterations))
        return pbkdf2(name, password, salt, iterations)

    def counted_digest(key: bytes, data: bytes, name: str) -> bytes:
        done.append(("hmac", name))
        return digest(key, data, name)

    monkeypatch.setattr(hashlib, "pbkdf2_hmac", counted_pbkdf2)
    monkeypatch.setattr(hmac, "digest", counted_digest)
    return done


@pytest.mark.parametrize("mechanism", [ScramMechanism.SHA_1, ScramMechanism.SHA_256])
def test_h_17_scram_costs_both_alike(mechanism: ScramMechanism, work: list[tuple[Any, ...]]) -> None:
    try_scram(mechanism, scram(mechanism)(), "juliet")
    known = list(work)
    work.clear()
    try_scram(mechanism, scram(mechanism)(), "nobody")
    assert work == known


def test_h_17_plain_costs_both_alike(work: list[tuple[Any, ...]]) -> None:
    try_plain(plain(), "juliet")
    known = list(work)
    work.clear()
    try_plain(plain(), "nobody")
    assert work == known
    assert ("pbkdf2", "sha256", ITERATIONS) in work
