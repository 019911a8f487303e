"""The grammar of SCRAM: the four messages as records, read strictly and written (RFC 5802 §5.1, §7).

A message is a sequence of attributes, `letter=value`, in a fixed order. Unknown attributes may follow where the grammar
has `extensions` and are skipped; `m=` announces one that must be understood, and we understand none (§5.1).
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field

from gateway.sasl.payload import PAYLOAD_BYTES, decode_base64, encode_payload
from gateway.xmpp.digits import read_number
from gateway.xmpp.errors import SaslCondition, SaslFailure

_ATTRIBUTE = re.compile(r"([A-Za-z])=([^\0,]+)").fullmatch
_SASLNAME = re.compile(r"(?:[^=]|=2C|=3D)+").fullmatch
_NONCE = re.compile(r"[!-+\--~]+").fullmatch
_MOST_ITERATIONS = 9_999_999_999  # the largest number read; far fewer are accepted
_GS2_HEADER = re.compile(r"(n|y|p=([A-Za-z0-9.-]+)),(?:a=([^\0,]+))?,").match


@dataclass(frozen=True, kw_only=True)
class Gs2Header:
    """The client's statement about channel binding, and the identity that it wants to act as (RFC 5801 §4)."""

    flag: str  # "n": not supported. "y": supported, but we seem to lack it. "p": `binding_type` is used
    binding_type: str | None
    authzid: str | None
    text: str

    @classmethod
    def make(cls, flag: str, binding_type: str | None, authzid: str | None) -> Gs2Header:
        """Write a header."""
        first = f"p={binding_type}" if flag == "p" else flag
        second = "" if authzid is None else f"a={_escape(authzid)}"
        return cls(flag=flag, binding_type=binding_type, authzid=authzid, text=f"{first},{second},")

    @classmethod
    def read(cls, text: str) -> Gs2Header:
        """Read the header that a client-first-message starts with."""
        found = _GS2_HEADER(text)
        if not found:
            raise malformed("the gs2-header is malformed")
        flag, binding_type, authzid = found.groups()
        return cls(
            flag=flag[0],
            binding_type=binding_type,
            authzid=None if authzid is None else _unescape(authzid),
            text=found.group(),
        )


@dataclass(frozen=True, kw_only=True)
class ClientFirst:
    """client-first-message: the user and the client's nonce. `bare` is its text after the header."""

    header: Gs2Header
    username: str
    nonce: str
    bare: str

    @classmethod
    def make(cls, header: Gs2Header, username: str, nonce: str) -> ClientFirst:
        """Write a message."""
        return cls(header=header, username=username, nonce=nonce, bare=f"n={_escape(username)},r={nonce}")

    @classmethod
    def read(cls, payload: bytes) -> ClientFirst:
        """Read a message."""
        text = _decode(payload)
        header = Gs2Header.read(text)
        bare = text.removeprefix(header.text)
        username, nonce = _read_attributes(bare, "nr")
        return cls(header=header, username=_unescape(username), nonce=_check_nonce(nonce), bare=bare)

    def __bytes__(self) -> bytes:
        return f"{self.header.text}{self.bare}".encode()


@dataclass(frozen=True, kw_only=True)
class ServerFirst:
    """server-first-message: both nonces, and how the password is salted."""

    nonce: str
    salt: bytes = field(repr=False)
    iterations: int
    text: str = field(repr=False)

    @classmethod
    def make(cls, nonce: str, salt: bytes, iterations: int) -> ServerFirst:
        """Write a message."""
        text = f"r={nonce},s={encode_payload(salt)},i={iterations}"
        return cls(nonce=nonce, salt=salt, iterations=iterations, text=text)

    @classmethod
    def read(cls, payload: bytes) -> ServerFirst:
        """Read a message."""
        text = _decode(payload)
        nonce, salt, iterations = _read_attributes(text, "rsi")
        count = None if iterations.startswith("0") else read_number(iterations, _MOST_ITERATIONS)
        if count is None:
            raise malformed("the iteration count is not a number")
        return cls(nonce=_check_nonce(nonce), salt=_decode_value(salt), iterations=count, text=text)

    def __bytes__(self) -> bytes:
        return self.text.encode()


@dataclass(frozen=True, kw_only=True)
class ClientFinal:
    """client-final-message: the channel binding, both nonces, and the proof over everything before."""

    binding: bytes = field(repr=False)
    nonce: str
    without_proof: str = field(repr=False)
    proof: bytes = field(repr=False)

    @classmethod
    def make(cls, binding: bytes, nonce: str) -> ClientFinal:
        """Write a message that still lacks its proof."""
        without_proof = f"c={encode_payload(binding)},r={nonce}"
        return cls(binding=binding, nonce=nonce, without_proof=without_proof, proof=b"")

    @classmethod
    def read(cls, payload: bytes) -> ClientFinal:
        """Read a message."""
        without_proof, _, last = _decode(payload).rpartition(",")
        binding, nonce = _read_attributes(without_proof, "cr")
        (proof,) = _read_attributes(last, "p")
        return cls(
            binding=_decode_value(binding),
            nonce=_check_nonce(nonce),
            without_proof=without_proof,
            proof=_decode_value(proof),
        )

    def __bytes__(self) -> bytes:
        return f"{self.without_proof},p={encode_payload(self.proof)}".encode()


def read_server_final(payload: bytes) -> bytes:
    """Return the verifier of a server-final-message; raise SaslFailure if the message is the server's refusal."""
    text = _decode(payload)
    if text.startswith("e="):
        raise SaslFailure(SaslCondition.NOT_AUTHORIZED, reason=f"the server answered {text[2:80]!r}")
    (verifier,) = _read_attributes(text, "v")
    return _decode_value(verifier)


def write_server_final(verifier: bytes) -> bytes:
    """Write a server-final-message."""
    return f"v={encode_payload(verifier)}".encode()


def equal_text(one: str, other: str) -> bool:
    """Return whether two texts are equal, in a time that does not reveal where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def malformed(text: str) -> SaslFailure:
    """Return the refusal of a message that breaks the grammar."""
    return SaslFailure(SaslCondition.MALFORMED_REQUEST, text)


def _read_attributes(text: str, letters: str) -> list[str]:
    """Return the values of the attributes `letters`, which come first and in this order; skip what follows."""
    attributes = [_ATTRIBUTE(part) for part in text.split(",")]
    found = [(attribute[1], attribute[2]) for attribute in attributes if attribute]
    if len(found) != len(attributes):
        raise malformed("an attribute is not a letter, '=' and a value")
    names = [name for name, _ in found]
    if "m" in names:
        raise malformed("a mandatory extension is not supported")
    if "".join(names[: len(letters)]) != letters:
        raise malformed("attributes are missing or out of order")
    if set(names[len(letters) :]) & set("anrcsipve"):
        raise malformed("an attribute is in the wrong place")
    return [value for _, value in found[: len(letters)]]


def _decode(payload: bytes) -> str:
    if len(payload) > PAYLOAD_BYTES:
        raise malformed(f"the message is longer than {PAYLOAD_BYTES} bytes")
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise malformed("the message is not UTF-8") from error


def _decode_value(value: str) -> bytes:
    try:
        return decode_base64(value)
    except SaslFailure as failure:
        raise malformed("a value in the message is not base64") from failure


def _check_nonce(nonce: str) -> str:
    if not _NONCE(nonce):
        raise malformed("the nonce has characters that are not printable")
    return nonce


def _escape(name: str) -> str:
    return name.replace("=", "=3D").replace(",", "=2C")


def _unescape(name: str) -> str:
    if not _SASLNAME(name):
        raise malformed("'=' in a name is not an escape")
    return name.replace("=2C", ",").replace("=3D", "=")
