"""Doors: where others connect to us, one factory for each kind of door.

A door asks the porter who may come in. Behind it, each connection gets a stream of the door's profile and a session.
Whoever is turned away hears a stream error before the connection is closed, unless TLS would have to come first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.python.failure import Failure

from gateway.net.certificates.judge import CertificateJudge
from gateway.net.connection.idle_parsers import Slumber
from gateway.net.connection.protocol import StreamProtocol, Timing
from gateway.net.listen.connection_limits import Porter
from gateway.stream.codec import Budget
from gateway.stream.facts import Facts, Role, Terms
from gateway.stream.profiles import Profile
from gateway.stream.sessions import NewSession
from gateway.stream.stream import Acceptor, Stream, StreamTools

NO_ROOM = (
    b"<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
    b"<stream:error><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
    b"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>too many streams, in all or from your address;"
    b" try again later</text></stream:error></stream:stream>"
)
MOST_REFUSALS = 100
REFUSAL_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Behind:
    """What is behind a door: the kind of stream, who judges its headers, and a session for each connection."""

    profile: Profile
    accept: Acceptor
    session: NewSession
    terms: Callable[[], Terms]  # until the other side has said who it is
    tls: Callable[[Facts], Any]


class Refusal(Protocol):
    """Says that there is no room, and closes the connection. Nothing that comes is looked at."""

    _open = 0  # of all doors together

    @classmethod
    def unless_too_many(cls, clock: Any) -> Protocol | None:
        """Return a refusal, or None when so many are being told already that this one is closed without a word."""
        return cls(clock) if cls._open < MOST_REFUSALS else None

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._patience: Any = None

    def connectionMade(self) -> None:
        Refusal._open += 1
        self.transport.write(NO_ROOM)  # type: ignore[union-attr]
        # What has come and was not read would make the system drop our words; so it is read until the other side ends.
        self.transport.loseWriteConnection()  # type: ignore[union-attr]
        self._patience = self._clock.callLater(REFUSAL_SECONDS, self._end)

    def _end(self) -> None:
        self.transport.abortConnection()  # type: ignore[union-attr]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        Refusal._open -= 1
        if self._patience.active():
            self._patience.cancel()


class Door(ServerFactory):
    """Makes a stream for each connection to one kind of door."""

    noisy = False

    def __init__(
        self,
        behind: Behind,
        porter: Porter,
        *,
        direct_tls: bool,
        clock: Any,
        judge: CertificateJudge,
        tools: StreamTools,
        budget: Budget,
        timing: Timing,
        slumber: Slumber,
    ) -> None:
        self._behind = behind
        self._porter = porter
        self._direct_tls = direct_tls
        self._clock = clock
        self._judge = judge
        self._tools = tools
        self._budget = budget
        self._timing = timing
        self._slumber = slumber

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        host = str(getattr(addr, "host", addr))
        if self._porter.objection(host):
            return None if self._direct_tls else Refusal.unless_too_many(self._clock)
        behind = self._behind
        facts = Facts(role=Role.RECEIVING, terms=behind.terms())
        return StreamProtocol(
            Stream(behind.profile, facts, behind.accept, self._tools, self._budget),
            behind.session,
            clock=self._clock,
            judge=self._judge,
            tls=behind.tls,
            timing=self._timing,
            direct_tls=self._direct_tls,
            watcher=self._porter,
            slumber=self._slumber,
        )
