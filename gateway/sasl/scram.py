"""SCRAM-SHA-1, SCRAM-SHA-256 and their -PLUS forms, both sides (RFC 5802, RFC 7677, RFC 9266).

    client                                              server
    n,,n=juliet,r=<c-nonce>                 ->                             who, and a nonce
                                            <-   r=<c+s-nonce>,s=...,i=... how the password is salted
    c=<binding>,r=<c+s-nonce>,p=<proof>     ->                             client knows the password
                                            <-   v=<signature>             server knows the account

Both signatures cover the first three messages, so neither end can be made to see a different exchange from its peer.
A -PLUS mechanism adds data that only the two ends of this TLS connection know. `tls-unique` is no longer safe (RFC 9266
§1) and is not supported; `tls-exporter` is for TLS 1.3, `tls-server-end-point` for clients without it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gateway.sasl.keys import Decoys, ScramHash, ScramKeys, client_key, server_key
from gateway.sasl.mechanism import (
    ClientConversation,
    ClientMechanism,
    ServerConversation,
    ServerMechanism,
    Success,
    account_of,
    ask,
    check_authzid,
    look_up,
)
from gateway.sasl.scram_messages import (
    ClientFinal,
    ClientFirst,
    Gs2Header,
    ServerFirst,
    equal_text,
    malformed,
    read_server_final,
    write_server_final,
)
from gateway.xmpp.errors import Misuse, SaslCondition, SaslFailure

# The iteration counts that a client accepts: fewer would make it cheap to guess the password from this exchange (RFC
# 7677 §4), more would let the server make us compute for a second and longer.
LEAST_ITERATIONS = 4096
MOST_ITERATIONS = 2_000_000


class ScramMechanism(StrEnum):
    """The mechanism names, in order of preference."""

    SHA_256_PLUS = "SCRAM-SHA-256-PLUS"
    SHA_1_PLUS = "SCRAM-SHA-1-PLUS"
    SHA_256 = "SCRAM-SHA-256"
    SHA_1 = "SCRAM-SHA-1"

    @property
    def hash(self) -> ScramHash:
        """The hash function it uses."""
        return ScramHash(self.removeprefix("SCRAM-").removesuffix("-PLUS"))

    @property
    def plus(self) -> bool:
        """Return whether it binds to the channel."""
        return self.endswith("-PLUS")


class BindingType(StrEnum):
    """The channel binding types that are safe, in order of preference (RFC 9266, RFC 5929 §4)."""

    TLS_EXPORTER = "tls-exporter"
    TLS_SERVER_END_POINT = "tls-server-end-point"


@dataclass(frozen=True, kw_only=True)
class ChannelBinding:
    """Data that only the two ends of one TLS connection know."""

    type: BindingType
    data: bytes = field(repr=False)


class ScramServer(ServerMechanism):
    """The receiving entity's side of SCRAM.

    `bindings` are those of this connection; if there are any, the -PLUS mechanisms must have been offered. `token`
    returns a nonce of at least 128 random bits, of printable characters other than a comma.
    """

    def __init__(
        self,
        mechanism: ScramMechanism,
        *,
        domain: str,
        decoys: Decoys,
        token: Callable[[], str],
        bindings: Collection[ChannelBinding] = (),
    ) -> None:
        super().__init__()
        self._mechanism = mechanism
        self._domain = domain
        self._decoys = decoys
        self._token = token
        self._bindings = {binding.type.value: binding.data for binding in bindings}
        if mechanism.plus and not bindings:
            raise Misuse(f"{mechanism} on a connection without channel binding")

    def converse(self, initial: bytes | None) -> ServerConversation:
        """Exchange four messages, and look up the account after the first."""
        first = ClientFirst.read(initial if initial is not None else (yield from ask(b"")))
        binding = first.header.text.encode() + self._binding_data(first.header)
        account = account_of(first.username, self._domain)

        found = yield from look_up(account, self._mechanism.hash)
        if found and found.hash is not self._mechanism.hash:
            raise Misuse(f"keys of {found.hash} supplied to {self._mechanism}")
        keys = self._decoys.cover(found, account, self._mechanism.hash)
        server_first = ServerFirst.make(first.nonce + self._token(), keys.salt, keys.iterations)

        final = ClientFinal.read((yield from ask(bytes(server_first))))
        signed = f"{first.bare},{server_first.text},{final.without_proof}".encode()
        sound = equal_text(final.nonce, server_first.nonce) and hmac.compare_digest(final.binding, binding)
        if not (proof_holds(keys, signed, final.proof) and sound and found):
            raise SaslFailure(SaslCondition.NOT_AUTHORIZED, reason=f"the proof for {account} is wrong")
        check_authzid(first.header.authzid, account)
        return Success(identity=account, payload=write_server_final(keys.hash.hmac(keys.server_key, signed)))

    def _binding_data(self, header: Gs2Header) -> bytes:
        """Return the channel's part of the signed text; raise SaslFailure if flag and
        mechanism disagree (RFC 5802 §6).
        """
        if header.flag == "y" and self._bindings:
            raise SaslFailure(
                SaslCondition.NOT_AUTHORIZED,
                "channel binding was offered",
                reason="the client did not see our offer of channel binding: somebody between us removed it",
            )
        if (header.flag == "p") != self._mechanism.plus:
            raise malformed(f"the channel binding flag does not fit {self._mechanism}")
        if header.binding_type is None:
            return b""
        if header.binding_type not in self._bindings:
            raise malformed("the channel binding type is not supported")
        return self._bindings[header.binding_type]


class ScramClient(ClientMechanism):
    """The initiating entity's side of SCRAM.

    `binding` is what this connection supports, and a -PLUS mechanism needs it. Pass it to the others too if the server
    did not offer -PLUS: then the exchange fails if somebody in between removed that offer. `token` returns a nonce as
    for ScramServer. The response to the challenge takes the CPU time of the salted hash.
    """

    def __init__(
        self,
        mechanism: ScramMechanism,
        *,
        username: str,
        password: str,
        token: Callable[[], str],
        authzid: str | None = None,
        binding: ChannelBinding | None = None,
    ) -> None:
        super().__init__()
        if mechanism.plus and not binding:
            raise Misuse(f"{mechanism} on a connection without channel binding")
        self._hash = mechanism.hash
        self._password = password
        flag = "p" if mechanism.plus else "y" if binding else "n"
        header = Gs2Header.make(flag, binding.type if binding else None, authzid)
        self._first = ClientFirst.make(header, username, token())
        self._binding = header.text.encode() + (binding.data if binding and mechanism.plus else b"")

    def converse(self) -> ClientConversation:
        """Exchange four messages; the last is the server's signature, which must be valid."""
        server_first = ServerFirst.read((yield bytes(self._first)))
        self._check(server_first)
        salted = self._salt_password(server_first)
        unproved = ClientFinal.make(self._binding, server_first.nonce)
        signed = f"{self._first.bare},{server_first.text},{unproved.without_proof}".encode()

        proof = make_proof(self._hash, client_key(self._hash, salted), signed)
        verifier = read_server_final((yield bytes(replace(unproved, proof=proof))))
        if not hmac.compare_digest(verifier, self._hash.hmac(server_key(self._hash, salted), signed)):
            raise SaslFailure(SaslCondition.NOT_AUTHORIZED, reason="the server does not know our password's keys")

    def _salt_password(self, server_first: ServerFirst) -> bytes:
        try:
            return self._hash.salted_password(self._password, server_first.salt, server_first.iterations)
        except ValueError as error:
            raise SaslFailure(SaslCondition.NOT_AUTHORIZED, reason=f"our own password: {error}") from error

    def _check(self, server_first: ServerFirst) -> None:
        own = self._first.nonce
        if not server_first.nonce.startswith(own) or server_first.nonce == own:
            raise SaslFailure(SaslCondition.NOT_AUTHORIZED, reason="the server's nonce does not extend ours")
        if not LEAST_ITERATIONS <= server_first.iterations <= MOST_ITERATIONS:
            raise SaslFailure(
                SaslCondition.MECHANISM_TOO_WEAK,
                reason=f"the server asks for {server_first.iterations} iterations; "
                f"between {LEAST_ITERATIONS} and {MOST_ITERATIONS} are accepted",
            )


def make_proof(hash: ScramHash, key: bytes, signed: bytes) -> bytes:
    """Return ClientProof: the client key, masked by a signature that only its stored form can remove (RFC 5802 §3)."""
    return _xor(key, hash.hmac(hash.digest(key), signed))


def proof_holds(keys: ScramKeys, signed: bytes, proof: bytes) -> bool:
    """Return whether the proof unmasks the client key that `stored_key` was made of (RFC 5802 §3)."""
    if len(proof) != keys.hash.size:
        return False
    uncovered = _xor(proof, keys.hash.hmac(keys.stored_key, signed))
    return hmac.compare_digest(keys.hash.digest(uncovered), keys.stored_key)


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))
