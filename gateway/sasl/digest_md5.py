"""DIGEST-MD5, both sides, for old servers that share a secret with us and support nothing better (RFC 2831).

    server                                                          client
    realm="...",nonce="...",qop="auth",algorithm=md5-sess   ->
                                                            <-      username="...",cnonce="...",response=...,...
    rspauth=...                                             ->
                                                            <-      (empty)

Superseded (RFC 6331): never offered unless a peer is configured with a secret. The user name is the initiating
server's domain. Authentication only: no security layer, no re-authentication. `rspauth` goes out in a challenge, as
in RFC 3920; our client also accepts it in `<success/>`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.sasl.mechanism import (
    ClientConversation,
    ClientMechanism,
    ServerConversation,
    ServerMechanism,
    Success,
    ask,
    check_authzid,
)
from gateway.xmpp.addresses import prepare_domain
from gateway.xmpp.errors import MalformedAddress, SaslCondition, SaslFailure

NAME = "DIGEST-MD5"

MESSAGE_BYTES = 4096  # RFC 2831 §2.1.2; at most 2048 for a challenge

_DIRECTIVE = re.compile(
    r'[ \t\r\n]*([A-Za-z-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s",]+))[ \t\r\n]*(?:,|\Z)', re.S
)
_EMPTY_ELEMENT = re.compile(r"[ \t\r\n]*(?:,|\Z)")
_FIRST_USE = "00000001"


class DigestMd5Server(ServerMechanism):
    """The receiving entity's side, for one peer and the secret shared with it.

    `realm` is our own domain, `peer` the initiating server's; `token` makes a nonce of at least 128 random bits.
    """

    def __init__(self, *, realm: str, peer: str, secret: str, token: Callable[[], str], service: str = "xmpp") -> None:
        super().__init__()
        self._realm = realm
        self._peer = peer
        self._secret = secret
        self._nonce = token()
        self._uri = f"{service}/{realm}"

    def converse(self, initial: bytes | None) -> ServerConversation:
        """Challenge, response, and the proof that we know the secret too (RFC 2831 §2.1)."""
        if initial:
            raise _malformed("DIGEST-MD5 starts with the server's challenge")
        answer = read_directives((yield from ask(self._challenge())))
        digest = self._read_response(answer)
        if not hmac.compare_digest(digest.response(self._secret), answer.get("response", "").encode()):
            raise SaslFailure(SaslCondition.NOT_AUTHORIZED, reason=f"{self._peer} does not know the secret")
        check_authzid(digest.authzid, self._peer)
        if (yield from ask(b"rspauth=" + digest.response_auth(self._secret))):
            raise _malformed("the last response of DIGEST-MD5 must be empty")
        return Success(identity=self._peer)

    def _challenge(self) -> bytes:
        realm = _quote(self._realm)
        return f'realm={realm},nonce="{self._nonce}",qop="auth",charset=utf-8,algorithm=md5-sess'.encode()

    def _read_response(self, answer: dict[str, str]) -> Digest:
        """Check everything but the digest itself (RFC 2831 §2.1.2)."""
        expected = {
            "nonce": self._nonce,
            "nc": _FIRST_USE,
            "realm": self._realm,
            "qop": "auth",
            "digest-uri": self._uri,
        }
        for name, value in expected.items():
            if answer.get(name, "auth" if name == "qop" else "") != value:
                raise _malformed(f"'{name}' has the wrong value")
        if not answer.get("cnonce"):
            raise _malformed("'cnonce' is missing")
        if not self._is_peer(answer.get("username", "")):
            raise SaslFailure(SaslCondition.NOT_AUTHORIZED, reason=f"the user name is not {self._peer}")
        return Digest(
            username=answer["username"],
            realm=self._realm,
            nonce=self._nonce,
            cnonce=answer["cnonce"],
            uri=self._uri,
            authzid=answer.get("authzid"),
        )

    def _is_peer(self, username: str) -> bool:
        try:
            return prepare_domain(username) == self._peer
        except MalformedAddress:
            return False


class DigestMd5Client(ClientMechanism):
    """The initiating entity's side. `username` is our own domain, `target` the receiving server's."""

    def __init__(
        self,
        *,
        username: str,
        secret: str,
        target: str,
        token: Callable[[], str],
        authzid: str | None = None,
        service: str = "xmpp",
    ) -> None:
        super().__init__()
        self._username = username
        self._secret = secret
        self._target = target
        self._cnonce = token()
        self._authzid = authzid
        self._uri = f"{service}/{target}"

    def converse(self) -> ClientConversation:
        """The challenge, our response, and the server's proof."""
        offered, realms = read_challenge((yield None))
        digest = Digest(
            username=self._username,
            realm=self._choose_realm(realms),
            nonce=offered["nonce"],
            cnonce=self._cnonce,
            uri=self._uri,
            authzid=self._authzid,
        )
        proof = read_directives((yield digest.message(self._secret))).get("rspauth", "")
        if not hmac.compare_digest(proof.encode(), digest.response_auth(self._secret)):
            raise SaslFailure(SaslCondition.NOT_AUTHORIZED, reason="the server does not know the secret")

    def _choose_realm(self, realms: list[str]) -> str:
        if self._target in realms or not realms:
            return self._target if realms else ""
        return realms[0]


@dataclass(frozen=True, kw_only=True)
class Digest:
    """One use of a secret, and the two proofs made from it (RFC 2831 §2.1.2.1, §2.1.3)."""

    username: str
    realm: str
    nonce: str = field(repr=False)
    cnonce: str = field(repr=False)
    uri: str
    authzid: str | None

    def response(self, secret: str) -> bytes:
        """Return the client's proof."""
        return self._proof(secret, f"AUTHENTICATE:{self.uri}".encode())

    def response_auth(self, secret: str) -> bytes:
        """Return the server's proof."""
        return self._proof(secret, f":{self.uri}".encode())

    def message(self, secret: str) -> bytes:
        """Return the whole digest-response."""
        parts = [f"username={_quote(self.username)}", f"nonce={_quote(self.nonce)}", f"cnonce={_quote(self.cnonce)}"]
        parts += [f"realm={_quote(self.realm)}"] if self.realm else []
        parts += [f"nc={_FIRST_USE},qop=auth,charset=utf-8", f"digest-uri={_quote(self.uri)}"]
        parts += [f"authzid={_quote(self.authzid)}"] if self.authzid else []
        return ",".join((*parts, f"response={self.response(secret).decode()}")).encode()

    def _proof(self, secret: str, a2: bytes) -> bytes:
        shared = _md5(b":".join(map(_latin1_if_possible, (self.username, self.realm, secret))))
        a1 = b":".join((shared.digest(), self.nonce.encode(), self.cnonce.encode()))
        a1 += b":" + self.authzid.encode() if self.authzid else b""
        used = f"{self.nonce}:{_FIRST_USE}:{self.cnonce}:auth:{_md5(a2).hexdigest()}"
        return _md5(f"{_md5(a1).hexdigest()}:{used}".encode()).hexdigest().encode()


def read_challenge(payload: bytes) -> tuple[dict[str, str], list[str]]:
    """Return the directives of a digest-challenge that we can answer, and the realms it offers (RFC 2831 §2.1.1)."""
    pairs = _read_pairs(payload)
    realms = [value for name, value in pairs if name == "realm"]
    offered = _unique([pair for pair in pairs if pair[0] != "realm"])
    if not offered.get("nonce") or offered.get("algorithm") != "md5-sess" or offered.get("charset") != "utf-8":
        raise _malformed("the challenge lacks 'nonce', 'algorithm=md5-sess' or 'charset=utf-8'")
    if "auth" not in re.split(r"[\s,]+", offered.get("qop", "auth")):
        raise SaslFailure(SaslCondition.NOT_AUTHORIZED, reason="the server insists on a security layer of DIGEST-MD5")
    return offered, realms


def read_directives(payload: bytes) -> dict[str, str]:
    """Return the directives of a message, each of which may occur once."""
    return _unique(_read_pairs(payload))


def _read_pairs(payload: bytes) -> list[tuple[str, str]]:
    if len(payload) > MESSAGE_BYTES:
        raise _malformed(f"the message is longer than {MESSAGE_BYTES} bytes")
    # Without `charset=utf-8` the message is ISO 8859-1; in both, ASCII and so the structure is the same.
    text = payload.decode("latin-1")
    pairs: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        found = _DIRECTIVE.match(text, position)
        if found:
            name, quoted, token = found.groups()
            pairs.append((name.lower(), token if quoted is None else re.sub(r"(?s)\\(.)", r"\1", quoted)))
        elif not (found := _EMPTY_ELEMENT.match(text, position)):
            raise _malformed("the message is not a list of directives")
        position = found.end()
    return _from_utf8(pairs) if ("charset", "utf-8") in pairs else pairs


def _from_utf8(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    try:
        return [(name, value.encode("latin-1").decode("utf-8")) for name, value in pairs]
    except UnicodeDecodeError as error:
        raise _malformed("the message is not UTF-8") from error


def _unique(pairs: list[tuple[str, str]]) -> dict[str, str]:
    directives = dict(pairs)
    if len(directives) != len(pairs):
        raise _malformed("a directive occurs twice")
    return directives


def _latin1_if_possible(text: str) -> bytes:
    """Return the bytes that a name or secret is hashed as (RFC 2831 §2.1.2.1)."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8")


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _md5(data: bytes) -> hashlib._Hash:
    return hashlib.md5(data)


def _malformed(text: str) -> SaslFailure:
    return SaslFailure(SaslCondition.MALFORMED_REQUEST, text)
