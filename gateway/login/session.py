"""LoginSession: one connection on which we are the client, from the first byte to the last."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from gateway.features.sasl import Compute, Computed
from gateway.features.sasl_clients import ClientAuthenticated
from gateway.login.messaging import Messaging
from gateway.notices.attempts.stream_log import StreamLog
from gateway.stream.events import (
    ClientBound,
    CloseTransport,
    NegotiationCompleted,
    ProofFailed,
    Secured,
    StreamErrorReceived,
)
from gateway.stream.facts import ClientFacts
from gateway.stream.sessions import Connection, Ending
from gateway.stream.stream import Output
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import GatewayError, StreamError
from gateway.xmpp.stanzas import Stanza


class LoginFailed(GatewayError):
    """The other server refused the login, for the reason in the message."""


class LoginSession:
    """Negotiates, and passes stanzas on."""

    def __init__(
        self,
        connection: Connection,
        log: StreamLog,
        make_messaging: Callable[[Address, Connection], Messaging],
        compute: Callable[[Compute], Deferred[Computed]],
        note: Callable[[str], None],
    ) -> None:
        """`make_messaging` is called with our new address when stanzas may pass; `note` is called with each step."""
        self.connection = connection
        self.log = log
        self.messaging: Messaging | None = None
        self.entered: Deferred[Messaging] = Deferred()
        self.gone: Deferred[str] = Deferred()
        self._make_messaging = make_messaging
        self._compute = compute
        self._note = note
        self.was_refused = False  # by the server itself, so another address would not help
        self._told = ""

    # -- as a Session ------------------------------------------------------------------------------------------------

    def happened(self, output: Output) -> None:
        match output:
            case Compute():
                self._compute(output).addCallback(self._computed)
            case Secured():
                self._note(f"{output.tls.version} with {output.tls.cipher}")
            case ClientAuthenticated():
                self._note(f"logged in as {output.account} by {output.mechanism}")
            case ClientBound():
                self._note(f"bound as {output.address}")
            case ProofFailed():
                told = f": {output.text}" if output.text else ""
                self._told = f"the login was refused with {output.condition}{told}"
                self._note(self._told)
                self.was_refused = True
            case StreamErrorReceived():
                told = f": {output.text}" if output.text else ""
                self._told = self._told or f"the other side ended the stream with {output.condition}{told}"
            case CloseTransport(error=StreamError() as error):
                self._told = self._told or f"we ended the stream with {error.condition}: {error.reason}"
            case NegotiationCompleted():
                self._enter()

    def stanzas_received(self, stanzas: Sequence[Stanza]) -> Deferred[None] | None:
        if self.messaging is not None:
            for stanza in stanzas:
                self.messaging.received(stanza)
        return None

    def outstanding(self) -> Deferred[None] | None:
        """Return None: everything that can be answered at once has been."""
        return None

    def room(self) -> Deferred[None] | None:
        """Session.room."""
        return self.connection.room()

    def lost(self, ending: Ending) -> None:
        told = self._told or ending.reason
        if self.messaging is not None:
            self.messaging.end(told)
        else:
            self.entered.errback(LoginFailed(told))
        self.gone.callback(told)

    def _computed(self, computed: Computed) -> None:
        self.connection.answer(computed)

    def _enter(self) -> None:
        address = ClientFacts.of(self.connection.stream.facts).client
        assert address is not None
        self.messaging = self._make_messaging(address, self.connection)
        self.entered.callback(self.messaging)
