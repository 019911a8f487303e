"""Encryption at rest: the content of each row by AES-256-GCM, with a key from a file of the operator.

The place of a row in the table is authenticated with it, so that rows cannot be exchanged. Domains, sizes and times are
not secret, because the operator looks at them. Nonces are random; 96 bits are enough for 2^32 rows.
"""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.xmpp.errors import ConfigError

KEY_BYTES = 32
NONCE_BYTES = 12
CONFIG_KEY = "outbox.key_file"


class WrongKey(Exception):
    """Something was sealed with another key, or changed since."""


class Seal:
    """One key."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def close(self, content: bytes, place: bytes) -> bytes:
        """Encrypt the content and bind it to that place."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, place)

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """Return the content; raise WrongKey if it was not sealed with this key for that place."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
        except (InvalidTag, ValueError) as error:
            raise WrongKey("not sealed with this key") from error


def load_key(file: Path) -> bytes:
    """Return the key in a file; raise ConfigError with what is wrong, and how to make one."""
    try:
        with file.open("rb") as stream:
            key = stream.read(KEY_BYTES + 1)
    except FileNotFoundError as error:
        raise ConfigError(CONFIG_KEY, f"{file} does not exist; {how_to_make(file)}") from error
    except OSError as error:
        raise ConfigError(CONFIG_KEY, f"cannot read {file}: {error.strerror}") from error
    if len(key) != KEY_BYTES:
        more = "more" if len(key) > KEY_BYTES else str(len(key))
        raise ConfigError(CONFIG_KEY, f"{file} has {more} bytes, but a key has {KEY_BYTES}; {how_to_make(file)}")
    return key


def how_to_make(file: Path) -> str:
    """Return the command that makes a key, as the rest of a sentence."""
    return f"make a key with: (umask 077; head -c {KEY_BYTES} /dev/urandom > {file})"
