"""Salted keys, stored instead of a password: they verify a login but cannot perform one (RFC 5802 §3).

`ScramKeys` is one such record; an account has one for each hash. `Decoys` gives accounts that do not exist keys that
look real but that no password matches, so that a login attempt does not reveal which accounts exist.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.sasl.passwords import prepare_password
from gateway.xmpp.errors import Misuse

ITERATIONS = 10_000  # some 4 ms: for a SCRAM client at each login, and for us with PLAIN
SALT_BYTES = 16


class ScramHash(StrEnum):
    """The hash functions of SCRAM in XMPP, by the names in their mechanisms; the stronger first."""

    SHA_256 = "SHA-256"
    SHA_1 = "SHA-1"

    @property
    def algorithm(self) -> str:
        """The name in hashlib and hmac."""
        return "sha256" if self is ScramHash.SHA_256 else "sha1"

    @property
    def size(self) -> int:
        """The length of its output in bytes."""
        return 32 if self is ScramHash.SHA_256 else 20

    def digest(self, data: bytes) -> bytes:
        """H() of RFC 5802 §2.2."""
        return hashlib.new(self.algorithm, data).digest()

    def hmac(self, key: bytes, data: bytes) -> bytes:
        """HMAC() of RFC 5802 §2.2."""
        return hmac.digest(key, data, self.algorithm)

    def salted_password(self, password: str, salt: bytes, iterations: int) -> bytes:
        """Return Hi() of RFC 5802 §2.2 over the prepared password; raise ValueError if it cannot be a password."""
        return hashlib.pbkdf2_hmac(self.algorithm, prepare_password(password), salt, iterations)


@dataclass(frozen=True, kw_only=True)
class ScramKeys:
    """The keys of one password under one hash, as the server keeps them (RFC 5802 §3)."""

    hash: ScramHash
    salt: bytes = field(repr=False)
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not self.salt or self.iterations < 1:
            raise Misuse("SCRAM keys need a salt and a number of iterations")
        if not len(self.stored_key) == len(self.server_key) == self.hash.size:
            raise Misuse(f"keys of {self.hash} have {self.hash.size} bytes")

    @classmethod
    def derive(cls, hash: ScramHash, password: str, *, salt: bytes, iterations: int = ITERATIONS) -> ScramKeys:
        """Make the keys of a password; raise ValueError if it cannot be a password."""
        salted = hash.salted_password(password, salt, iterations)
        return cls(
            hash=hash,
            salt=salt,
            iterations=iterations,
            stored_key=hash.digest(client_key(hash, salted)),
            server_key=server_key(hash, salted),
        )

    def match(self, password: str) -> bool:
        """Return whether these are the keys of this password; either result takes the time of deriving them."""
        try:
            derived = ScramKeys.derive(self.hash, password, salt=self.salt, iterations=self.iterations)
        except ValueError:
            return False
        return hmac.compare_digest(derived.stored_key, self.stored_key)


def client_key(hash: ScramHash, salted_password: bytes) -> bytes:
    """Return ClientKey, which only somebody who knows the password can compute (RFC 5802 §3)."""
    return hash.hmac(salted_password, b"Client Key")


def server_key(hash: ScramHash, salted_password: bytes) -> bytes:
    """Return ServerKey, with which the server shows that it knows the account (RFC 5802 §3)."""
    return hash.hmac(salted_password, b"Server Key")


class Decoys:
    """Keys for accounts that do not exist: always the same ones for a name, and matched by no password."""

    def __init__(self, secret: bytes, *, iterations: int = ITERATIONS) -> None:
        if len(secret) < SALT_BYTES:
            raise Misuse(f"the secret of the decoys has less than {SALT_BYTES} bytes")
        self._secret = secret
        self._iterations = iterations

    def cover(self, found: ScramKeys | None, account: str, hash: ScramHash) -> ScramKeys:
        """Return the keys that were found, or a decoy if there are none; both take the same time."""
        decoy = self.keys_for(account, hash)
        return found or decoy

    def keys_for(self, account: str, hash: ScramHash) -> ScramKeys:
        """Return keys that this account could have."""
        return ScramKeys(
            hash=hash,
            salt=self._pseudorandom("salt", account, hash)[:SALT_BYTES],
            iterations=self._iterations,
            stored_key=self._pseudorandom("stored key", account, hash)[: hash.size],
            server_key=self._pseudorandom("server key", account, hash)[: hash.size],
        )

    def _pseudorandom(self, purpose: str, account: str, hash: ScramHash) -> bytes:
        # An account has no NUL, and the other two are ours: different requests never give the same message.
        return hmac.digest(self._secret, f"{purpose}\0{hash}\0{account}".encode(), "sha256")
