"""The interface of every SASL mechanism: payloads in, steps out (RFC 4422 §3, RFC 6120 §6.4).

A mechanism is written as a conversation: a generator that reads from top to bottom like the figure in its RFC. It
yields what it needs (`Challenge`: the client's response; `NeedCredentials`: an account's keys) and returns `Success`.
`ServerMechanism` and `ClientMechanism` drive a conversation for a stream feature, which looks like this:

    step = mechanism.begin(initial)          Challenge | NeedCredentials | Success, or SaslFailure is raised
    step = mechanism.respond(payload)        after a Challenge
    step = mechanism.supply(keys)            after a NeedCredentials; this may take milliseconds of CPU (PLAIN)

Nothing that a peer sends can raise anything but SaslFailure. After that, or when the stream is closed, the mechanism is
dropped, and so is the result of a lookup still under way.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import TypeAlias

from gateway.sasl.keys import ScramHash, ScramKeys
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import MalformedAddress, Misuse, SaslCondition, SaslFailure


@dataclass(frozen=True, kw_only=True)
class Challenge:
    """Send this payload to the initiating entity and wait for its response."""

    payload: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class NeedCredentials:
    """Look up the keys of `account`, for the first of `hashes` that it has, and supply them; None if it has none."""

    account: str
    hashes: tuple[ScramHash, ...]


@dataclass(frozen=True, kw_only=True)
class Success:
    """The initiating entity has proved that it may act as `identity`: a bare JID or, between servers, a domain."""

    identity: str
    payload: bytes | None = field(default=None, repr=False)


ServerStep: TypeAlias = Challenge | NeedCredentials | Success
ServerConversation: TypeAlias = Generator[Challenge | NeedCredentials, bytes | ScramKeys | None, Success]
ClientConversation: TypeAlias = Generator[bytes | None, bytes, None]


class ServerMechanism(ABC):
    """The receiving entity's side of one attempt to authenticate; another attempt needs a new object."""

    def __init__(self) -> None:
        self._conversation: ServerConversation | None = None
        self._awaited: type[ServerStep] | None = None

    @abstractmethod
    def converse(self, initial: bytes | None) -> ServerConversation:
        """Run the whole exchange, from the initial response (None: there was none) to its success."""

    def begin(self, initial: bytes | None) -> ServerStep:
        """Start with the initial response of `<auth/>`; None if there was none."""
        if self._conversation is not None:
            raise Misuse("a mechanism serves one exchange")
        self._conversation = self.converse(initial)
        return self._advance(self._conversation, None)

    def respond(self, payload: bytes) -> ServerStep:
        """Continue with the client's response to the last challenge."""
        if self._conversation is None or self._awaited is not Challenge:
            self._end()
            raise SaslFailure(SaslCondition.MALFORMED_REQUEST, "no response was asked for")
        return self._advance(self._conversation, payload)

    def supply(self, keys: ScramKeys | None) -> ServerStep:
        """Continue with the keys that were requested; None if there is no such account."""
        if self._conversation is None or self._awaited is not NeedCredentials:
            raise Misuse("no credentials were asked for")
        return self._advance(self._conversation, keys)

    def _advance(self, conversation: ServerConversation, answer: bytes | ScramKeys | None) -> ServerStep:
        self._awaited = None
        step: ServerStep
        try:
            step = conversation.send(answer)
        except StopIteration as end:
            step = end.value
        self._awaited = type(step)
        return step

    def _end(self) -> None:
        self._awaited = None
        if self._conversation is not None:
            self._conversation.close()


class ClientMechanism(ABC):
    """The initiating entity's side of one attempt to authenticate.

    A SaslFailure raised here means that we refuse the server's message: send `<abort/>` and stop.
    """

    def __init__(self) -> None:
        self._conversation: ClientConversation | None = None
        self._over = False
        self._refused = False

    @abstractmethod
    def converse(self) -> ClientConversation:
        """Run the whole exchange: yield each response and receive each challenge; return once the server is proved."""

    def begin(self) -> bytes | None:
        """Return the initial response; None if this mechanism waits for the server to speak first."""
        if self._conversation is not None:
            raise Misuse("a mechanism serves one exchange")
        self._conversation = self.converse()
        return next(self._conversation)

    def respond(self, challenge: bytes) -> bytes:
        """Return the response to a challenge; empty if the challenge was the server's last message."""
        return self._advance(challenge) or b""

    def succeed(self, payload: bytes | None) -> None:
        """Check the additional data of the server's `<success/>`; raise SaslFailure if it has not proved itself."""
        if self._over and not payload:
            return
        self._advance(payload or b"")
        if not self._over:
            raise SaslFailure(SaslCondition.NOT_AUTHORIZED, reason="the server ended the exchange before its last step")

    def _advance(self, received: bytes) -> bytes | None:
        if self._conversation is None:
            raise Misuse("the exchange has not begun")
        if self._over or self._refused:
            raise SaslFailure(SaslCondition.MALFORMED_REQUEST, reason="the server went on after the last step")
        try:
            return self._conversation.send(received)
        except StopIteration:
            self._over = True
            return None
        except SaslFailure:
            self._refused = True
            raise


def ask(payload: bytes) -> Generator[Challenge, bytes | ScramKeys | None, bytes]:
    """Within a conversation: send a challenge, and return the response."""
    response = yield Challenge(payload=payload)
    assert isinstance(response, bytes)
    return response


def look_up(account: str, *hashes: ScramHash) -> Generator[NeedCredentials, bytes | ScramKeys | None, ScramKeys | None]:
    """Within a conversation: return the stored keys of an account; None if there are none."""
    keys = yield NeedCredentials(account=account, hashes=hashes)
    assert keys is None or isinstance(keys, ScramKeys)
    return keys


def account_of(username: str, domain: str) -> str:
    """Return the bare JID of the account that a simple user name means here (RFC 6120 §6.3.8)."""
    try:
        address = Address.make(username, domain, "")
    except MalformedAddress as error:
        raise _no_account(error.problem) from error
    if not address.local:
        raise _no_account("the user name is empty")
    return address.bare


def check_authzid(authzid: str | None, identity: str) -> None:
    """Refuse to let a client act as any other identity than the proved one (RFC 6120 §6.3.8)."""
    if authzid is not None and prepare_authzid(authzid) != identity:
        raise SaslFailure(SaslCondition.INVALID_AUTHZID, reason=f"{identity} asked to act as another identity")


def prepare_authzid(authzid: str) -> str:
    """Return a prepared authorization identity: a bare JID or a domain."""
    try:
        address = Address.parse(authzid)
    except MalformedAddress as error:
        raise SaslFailure(SaslCondition.INVALID_AUTHZID, reason=f"the authzid is not an address: {error}") from error
    if not address.is_bare:
        raise SaslFailure(SaslCondition.INVALID_AUTHZID, reason="the authzid has a resourcepart")
    return address.bare


def _no_account(problem: str) -> SaslFailure:
    # The same answer as for a wrong password: nothing more is revealed.
    return SaslFailure(SaslCondition.NOT_AUTHORIZED, reason=f"the user name cannot be an account: {problem}")
