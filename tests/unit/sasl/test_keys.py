"""ScramKeys and Decoys (RFC 5802 §3)."""

from __future__ import annotations

import base64

import pytest

from gateway.sasl.keys import SALT_BYTES, Decoys, ScramHash, ScramKeys
from gateway.xmpp.errors import Misuse

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")


def test_keys_match_their_password_alone() -> None:
    keys = ScramKeys.derive(ScramHash.SHA_256, "pencil", salt=SALT, iterations=4096)
    assert keys.match("pencil")
    assert not keys.match("pencils")
    assert not keys.match("")
    assert not keys.match("pencil\0")


def test_spellings_that_prepare_alike_are_one_password() -> None:
    keys = ScramKeys.derive(ScramHash.SHA_1, "\u2168", salt=SALT, iterations=1)
    assert keys.match("IX")


def test_repr_shows_no_key_and_no_salt() -> None:
    keys = ScramKeys.derive(ScramHash.SHA_1, "pencil", salt=b"salt of the earth", iterations=1)
    assert repr(keys) == "ScramKeys(hash=<ScramHash.SHA_1: 'SHA-1'>, iterations=1)"


@pytest.mark.parametrize("change", [{"salt": b""}, {"iterations": 0}, {"stored_key": b"short"}])
def test_keys_that_cannot_be_are_not_built(change: dict[str, object]) -> None:
    fields: dict[str, object] = {
        "hash": ScramHash.SHA_1,
        "salt": b"salt",
        "iterations": 1,
        "stored_key": bytes(20),
        "server_key": bytes(20),
    }
    with pytest.raises(Misuse):
        ScramKeys(**(fields | change))  # type: ignore[arg-type]


@pytest.mark.parametrize("hash", list(ScramHash))
def test_decoys_look_like_keys_and_stay_the_same(hash: ScramHash) -> None:
    decoys = Decoys(b"sixteen bytes ok", iterations=10_000)
    keys = decoys.keys_for("nobody@example.com", hash)
    assert keys == Decoys(b"sixteen bytes ok", iterations=10_000).keys_for("nobody@example.com", hash)
    assert len(keys.salt) == SALT_BYTES
    assert keys.iterations == 10_000
    assert keys.salt != decoys.keys_for("somebody@example.com", hash).salt
    assert keys.salt != Decoys(b"another secret 16").keys_for("nobody@example.com", hash).salt


def test_decoys_of_different_hashes_share_no_salt() -> None:
    decoys = Decoys(b"sixteen bytes ok")
    salts = {decoys.keys_for("nobody@example.com", hash).salt for hash in ScramHash}
    assert len(salts) == len(ScramHash)


def test_decoys_want_a_real_secret() -> None:
    with pytest.raises(Misuse):
        Decoys(b"short")
