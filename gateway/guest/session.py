"""GuestSession: one connection on which we are the client, from the first byte to the last."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred

from gateway.addresses import Address
from gateway.errors import GatewayError, StreamError
from gateway.features.sasl import Compute, Computed
from gateway.features.sasl_clients import ClientAuthenticated
from gateway.guest.affairs import Affairs
from gateway.sessions import Connection
from gateway.stanzas import Stanza
from gateway.stream.events import (
    ClientBound,
    CloseTransport,
    NegotiationCompleted,
    ProofFailed,
    Secured,
    StreamErrorReceived,
)
from gateway.stream.stream import Output


class NotLetIn(GatewayError):
    """The other server did not let us in; says why."""


class GuestSession:
    """Negotiates, and hands stanzas on."""

    def __init__(
        self,
        make_affairs: Callable[[Address, Connection], Affairs],
        compute: Callable[[Compute], Deferred[Computed]],
        note: Callable[[str], None],
    ) -> None:
        """`make_affairs` is called with our new address when stanzas may pass; `note` hears of each step."""
        self.connection: Connection | None = None
        self.affairs: Affairs | None = None
        self.entered: Deferred[Affairs] = Deferred()
        self.gone: Deferred[str] = Deferred()
        self._make_affairs = make_affairs
        self._compute = compute
        self._note = note
        self.was_refused = False  # by the server itself, which another target would not change
        self._told = ""

    # -- as a Session ------------------------------------------------------------------------------------------------

    def connected(self, connection: Connection) -> None:
        self.connection = connection

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
        if self.affairs is not None:
            for stanza in stanzas:
                self.affairs.received(stanza)
        return None

    def outstanding(self) -> Deferred[None] | None:
        """Session.outstanding: what could be answered at once has been."""
        return None

    def lost(self, reason: str) -> None:
        self.connection = None
        told = self._told or reason
        if self.affairs is not None:
            self.affairs.end(told)
        else:
            self.entered.errback(NotLetIn(told))
        self.gone.callback(told)

    def _computed(self, computed: Computed) -> None:
        if self.connection is not None:
            self.connection.answer(computed)

    def _enter(self) -> None:
        assert self.connection is not None
        address = self.connection.stream.facts.client
        assert address is not None
        self.affairs = self._make_affairs(address, self.connection)
        self.entered.callback(self.affairs)
