"""EXTERNAL, both sides: the certificate of the TLS connection is the proof (RFC 4422 appendix A).

Only one thing is sent: an optional authorization identity. This module does not judge certificates; it has the two
rules for what they allow (XEP-0178 §2 for clients, §3 for servers, RFC 6120 §6.3.8).
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from gateway.sasl.keys import ScramHash
from gateway.sasl.mechanism import (
    ClientConversation,
    ClientMechanism,
    ServerConversation,
    ServerMechanism,
    Success,
    ask,
    look_up,
    prepare_authzid,
)
from gateway.xmpp.errors import SaslCondition, SaslFailure

NAME = "EXTERNAL"

AUTHZID_BYTES = 3071  # RFC 7622 §3.1: three parts of 1023, "@" and "/"


class ExternalServer(ServerMechanism):
    """The receiving entity's side of EXTERNAL.

    `authorize` takes the prepared authorization identity, or None, and returns the identity or raises SaslFailure: use
    `client_rule(...)` or `server_rule(...)`. With `of_account` the identity must also be an existing account.
    """

    def __init__(self, authorize: Callable[[str | None], str], *, of_account: bool = False) -> None:
        super().__init__()
        self._authorize = authorize
        self._of_account = of_account

    def converse(self, initial: bytes | None) -> ServerConversation:
        """One message, which may be empty."""
        message = initial if initial is not None else (yield from ask(b""))
        identity = self._authorize(read_authzid(message))
        if self._of_account and (yield from look_up(identity, *ScramHash)) is None:
            raise SaslFailure(SaslCondition.NOT_AUTHORIZED, reason=f"there is no account {identity}")
        return Success(identity=identity)


class ExternalClient(ClientMechanism):
    """The initiating entity's side of EXTERNAL; without `authzid` the server takes the identity in the certificate."""

    def __init__(self, *, authzid: str | None = None) -> None:
        super().__init__()
        self._authzid = authzid or ""

    def converse(self) -> ClientConversation:
        """Send one message; the server has nothing to send."""
        if (yield self._authzid.encode()):
            raise SaslFailure(SaslCondition.MALFORMED_REQUEST, reason="the server answers EXTERNAL with data")


def client_rule(accounts: Collection[str]) -> Callable[[str | None], str]:
    """Return the rule that a client may act as an account that its certificate names (XEP-0178 §2).

    If there are several, the client must say which. `accounts` are the bare JIDs of this domain in the certificate,
    prepared.
    """

    def authorize(authzid: str | None) -> str:
        if not accounts:
            raise SaslFailure(SaslCondition.NOT_AUTHORIZED, reason="the certificate names none of our accounts")
        if authzid is None and len(accounts) > 1:
            raise _invalid_authzid("the certificate names several accounts and the client did not choose one")
        identity = next(iter(accounts)) if authzid is None else authzid
        if identity not in accounts:
            raise _invalid_authzid("the certificate does not name the requested account")
        return identity

    return authorize


def server_rule(sender: str | None, proves: Callable[[str], bool]) -> Callable[[str | None], str]:
    """Return the rule that a server may act as the `from` of its stream, if its certificate proves that (XEP-0178 §3).

    `sender` is that domain, prepared; a server that sent none must name it as authorization identity.
    """

    def authorize(authzid: str | None) -> str:
        identity = sender or authzid
        if identity is None:
            raise _invalid_authzid("neither 'from' nor an authorization identity says which domain this is")
        if authzid is not None and authzid != identity:
            raise _invalid_authzid(f"the stream is from {identity}, the authorization identity names another domain")
        if not proves(identity):
            raise SaslFailure(SaslCondition.NOT_AUTHORIZED, reason=f"the certificate does not prove {identity}")
        return identity

    return authorize


def read_authzid(message: bytes) -> str | None:
    """Return the prepared authorization identity; None if the message is empty (RFC 4422 §A.1)."""
    if not message:
        return None
    if len(message) > AUTHZID_BYTES:
        raise _invalid_authzid("the authorization identity is longer than an address can be")
    try:
        text = message.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SaslFailure(SaslCondition.MALFORMED_REQUEST, "the authorization identity is not UTF-8") from error
    return prepare_authzid(text)


def _invalid_authzid(reason: str) -> SaslFailure:
    return SaslFailure(SaslCondition.INVALID_AUTHZID, reason=reason)
