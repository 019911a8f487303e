"""PLAIN, both sides: the password itself, so only ever inside TLS (RFC 4616, RFC 6120 §13.8).

The caller must offer it only under TLS. The server stores no passwords: it salts the one received and compares the
keys.
"""

from __future__ import annotations

from gateway.sasl.keys import Decoys, ScramHash
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
from gateway.sasl.payload import PAYLOAD_BYTES
from gateway.xmpp.errors import SaslCondition, SaslFailure

NAME = "PLAIN"


class PlainServer(ServerMechanism):
    """The receiving entity's side of PLAIN. `supply` takes the CPU time of one salted hash, even if there is no
    account.
    """

    def __init__(self, *, domain: str, decoys: Decoys) -> None:
        super().__init__()
        self._domain = domain
        self._decoys = decoys

    def converse(self, initial: bytes | None) -> ServerConversation:
        """Read one message, then look up the account."""
        authzid, username, password = read_message(initial if initial is not None else (yield from ask(b"")))
        account = account_of(username, self._domain)
        found = yield from look_up(account, *ScramHash)
        keys = self._decoys.cover(found, account, ScramHash.SHA_256)
        if not (keys.match(password) and found):
            raise SaslFailure(SaslCondition.NOT_AUTHORIZED, reason=f"the password for {account} is wrong")
        check_authzid(authzid, account)
        return Success(identity=account)


class PlainClient(ClientMechanism):
    """The initiating entity's side of PLAIN; the server proves nothing beyond what TLS has proved."""

    def __init__(self, *, username: str, password: str, authzid: str | None = None) -> None:
        super().__init__()
        self._message = "\0".join((authzid or "", username, password)).encode()

    def converse(self) -> ClientConversation:
        """Send one message; the server has nothing to send."""
        if (yield self._message):
            raise SaslFailure(SaslCondition.MALFORMED_REQUEST, reason="the server answers PLAIN with data")


def read_message(payload: bytes) -> tuple[str | None, str, str]:
    """Return the authorization identity (None: the account's own), user name and password (RFC 4616 §2)."""
    if len(payload) > PAYLOAD_BYTES:
        raise _malformed(f"the message is longer than {PAYLOAD_BYTES} bytes")
    try:
        parts = payload.decode("utf-8").split("\0")
    except UnicodeDecodeError as error:
        raise _malformed("the message is not UTF-8") from error
    if len(parts) != 3 or not parts[1] or not parts[2]:
        raise _malformed("the message is not [authzid] NUL authcid NUL passwd")
    authzid, username, password = parts
    return authzid or None, username, password


def _malformed(text: str) -> SaslFailure:
    return SaslFailure(SaslCondition.MALFORMED_REQUEST, text)
