"""Doors: the factories of incoming streams, one for each kind of port.

The connection limits decide which connections come in. Each gets a stream with the door's profile, and a session. A
connection that is turned away gets a stream error before it is closed, unless TLS would have to come first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from OpenSSL import SSL
from twisted.internet.interfaces import IAddress, IReactorTime, ITCPTransport
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure

from gateway.bounds.tables import neighbourhood
from gateway.net.certificates.judge import CertificateJudge
from gateway.net.connection.idle_parsers import IdleParsers
from gateway.net.connection.life import Timing
from gateway.net.connection.protocol import StreamProtocol
from gateway.net.connection.reading_turns import ReadingShares
from gateway.net.listen.connection_limits import ConnectionLimits
from gateway.net.trust.witness import Witness
from gateway.stream.budget import Budget
from gateway.stream.facts import Facts, Role, Terms
from gateway.stream.profiles import Profile
from gateway.stream.sessions import NewSession
from gateway.stream.stream import Stream
from gateway.stream.tools import Acceptor, StreamTools
from gateway.timing.timers import Timer

NO_ROOM = (
    b"<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
    b"<stream:error><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
    b"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>too many streams, in all or from your address;"
    b" try again later</text></stream:error></stream:stream>"
)
REFUSAL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Behind:
    """What is behind a door: the kind of stream, the policy for its headers, and a session for each connection."""

    profile: Profile
    accept: Acceptor
    session: NewSession
    terms: Callable[[], Terms]  # until the other side has identified itself
    tls: Callable[[Facts], SSL.Connection]
    witness: Callable[[str], Witness] | None = None  # by the address of the other side


class Refusal(Protocol):
    """Reports that there is no room, and closes the connection. Incoming bytes are ignored."""

    transport: ITCPTransport

    def __init__(self, clock: IReactorTime, connection_limits: ConnectionLimits) -> None:
        self._connection_limits = connection_limits
        self._patience = Timer(clock)

    def connectionMade(self) -> None:
        self._connection_limits.being_refused += 1
        self.transport.write(NO_ROOM)
        # Unread bytes would make the system drop our error, so read until the other side ends.
        self.transport.loseWriteConnection()
        self._patience.start(REFUSAL_SECONDS, self._end)

    def _end(self) -> None:
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._connection_limits.being_refused -= 1
        self._patience.stop()


class Door(ServerFactory):
    """Makes a stream for each connection to one kind of port."""

    noisy = False

    def __init__(
        self,
        behind: Behind,
        connection_limits: ConnectionLimits,
        *,
        direct_tls: bool,
        clock: IReactorTime,
        judge: CertificateJudge,
        tools: StreamTools,
        budget: Budget,
        timing: Timing,
        idle_parsers: IdleParsers,
        reading_shares: ReadingShares,
    ) -> None:
        self._behind = behind
        self._connection_limits = connection_limits
        self._direct_tls = direct_tls
        self._clock = clock
        self._judge = judge
        self._tools = tools
        self._budget = budget
        self._timing = timing
        self._idle_parsers = idle_parsers
        self._reading_shares = reading_shares

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        host = str(getattr(addr, "host", addr))
        if self._connection_limits.objection(host):
            is_told = not self._direct_tls and self._connection_limits.can_explain
            return Refusal(self._clock, self._connection_limits) if is_told else None
        behind = self._behind
        facts = behind.profile.facts(role=Role.RECEIVING, terms=behind.terms())
        return StreamProtocol(
            Stream(behind.profile, facts, behind.accept, self._tools, self._budget),
            behind.session,
            clock=self._clock,
            judge=self._judge,
            tls=behind.tls,
            timing=self._timing,
            direct_tls=self._direct_tls,
            watcher=self._connection_limits,
            idle_parsers=self._idle_parsers,
            turns=self._reading_shares,
            witness=behind.witness(neighbourhood(host)) if behind.witness is not None else None,
        )
