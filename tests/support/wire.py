"""A StreamProtocol on a string transport: what the other side types, what it reads, and how the connection ends.

The stream is a real one. `log` has the calls of the session and the transport, in order; what was written is `heard`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from gateway.features.starttls import StartTLS
from gateway.net.connection.idle_parsers import IdleParsers
from gateway.net.connection.life import Timing
from gateway.net.connection.protocol import StreamProtocol
from gateway.net.connection.reading_turns import reading_shares
from gateway.stream.events import CloseTransport, Secured
from gateway.stream.facts import Facts, Role, Terms
from gateway.stream.profiles import Profile, server_profile
from gateway.stream.sessions import Ending
from gateway.stream.stream import Output
from gateway.xmpp.stanzas import Stanza
from tests.support.ca import authority
from tests.support.pair import Certificate, make_stream
from tests.support.talk import OURS, THEIRS
from tests.support.tls import ROUNDS, contexts

TIMING = Timing(negotiate=30, close=5, stall=60, silence=65)


class Transport(StringTransport):
    """A string transport that logs its calls, and reads nothing while it is paused."""

    def __init__(self, log: list[str]) -> None:
        super().__init__()
        self.log = log
        self.protocol: Any = None  # to which it gives what it reads
        self.options: set[str] = set()
        self.is_clogged = False
        self._unread: list[bytes] = []

    def writeSomeData(self, data: bytes) -> int:
        if self.is_clogged:
            return 0
        self.write(data)
        return len(data)

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.options |= {"no delay"} if enabled else set()

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.options |= {"keep alive"} if enabled else set()

    def read(self, *pieces: bytes) -> None:
        """These come, each for one read."""
        self._unread += pieces
        while self._unread and self.producerState == "producing":
            self.protocol.dataReceived(self._unread.pop(0))

    def pauseProducing(self) -> None:
        super().pauseProducing()
        self.log.append("transport: pause")

    def resumeProducing(self) -> None:
        super().resumeProducing()
        self.log.append("transport: resume")
        self.read()

    def loseConnection(self) -> None:
        super().loseConnection()
        self.log.append("transport: lose")

    def abortConnection(self) -> None:
        self.log.append("transport: abort")


class Judge:
    """Finds every certificate good for the other side."""

    def recall(self, fingerprints: Any, now: Any, staple: Any = None) -> None:
        return None

    def judge(self, chain: Any, now: Any, staple: Any = None) -> Certificate:
        return Certificate(names=frozenset({THEIRS}))


class Wire:
    """One connection. As a session it takes stanzas, with `takes_time` set only when that fires."""

    def __init__(
        self,
        role: Role = Role.RECEIVING,
        *,
        terms: Terms | None = None,
        direct_tls: bool = False,
        profile: Profile | None = None,
        in_turns: bool = False,
    ) -> None:
        self.log: list[str] = []
        self.clock = Clock()
        self.shares = reading_shares(self.clock) if in_turns else None
        self.takes_time: list[Deferred[None]] = []
        self.owes: Deferred[None] | None = None  # fires when the other side has been given every answer
        self.ending = Ending(reason="it has not ended")
        self.transport = Transport(self.log)
        profile = profile or server_profile(StartTLS())
        facts = profile.facts(role=role, terms=terms or Terms(require_tls=False, idle_seconds=0))
        if role is Role.INITIATING:
            facts = replace(facts, local=OURS, remote=THEIRS)
        self.connection = StreamProtocol(
            make_stream(profile, facts),
            self._born,
            clock=self.clock,
            judge=Judge(),  # type: ignore[arg-type]
            tls=self._begin_tls,
            timing=TIMING,
            direct_tls=direct_tls,
            watcher=self,
            idle_parsers=IdleParsers(self.clock),
            turns=self.shares,
        )
        self.transport.protocol = self.connection
        self.connection.makeConnection(self.transport)

    # -- the other side ----------------------------------------------------------------------------------------------

    def type(self, *texts: str) -> Wire:
        """The other side types; each text is one read of the socket."""
        self.transport.read(*(text.encode() for text in texts))
        return self

    def shake_hands(self, other: SSL.Connection) -> Wire:
        """The other side's OpenSSL and ours agree on TLS."""
        for _ in range(ROUNDS):
            with suppress(SSL.WantReadError):
                other.do_handshake()
            with suppress(SSL.WantReadError):
                self.transport.read(other.bio_read(1 << 16))
            self.overhear(other)
        return self

    def overhear(self, other: SSL.Connection) -> None:
        """Pass what we have written to the other side's OpenSSL."""
        if written := self.transport.value():
            other.bio_write(written)
            self.transport.clear()

    def heard(self) -> str:
        """Return what it has been sent since the last time."""
        written = self.transport.value().decode()
        self.transport.clear()
        return written

    def leave(self, reason: Exception | None = None) -> Wire:
        """The connection ends."""
        self.connection.connectionLost(Failure(reason or ConnectionDone()))
        return self

    # -- the transport's buffer --------------------------------------------------------------------------------------

    def clog(self) -> None:
        """The system takes nothing more, and something waits."""
        self.transport.is_clogged = True
        self.connection.write(b" ")

    def unclog(self) -> None:
        """It takes all that waits."""
        self.transport.is_clogged = False
        self.transport.producer.resumeProducing()  # type: ignore[attr-defined]

    def _begin_tls(self, facts: Facts) -> SSL.Connection:
        self.log.append("TLS begins")
        ours = contexts(authority().issue(OURS))
        if facts.role is Role.INITIATING:
            return ours.connecting(OURS, THEIRS, direct=False)
        return ours.accepting(OURS)

    # -- as a session ------------------------------------------------------------------------------------------------

    def _born(self, connection: Any) -> Wire:
        self.log.append("connected")
        return self

    def room(self) -> Deferred[None] | None:
        return self.connection.room()

    def happened(self, output: Output) -> None:
        if isinstance(output, CloseTransport):
            self.log.append(f"closing: {output.error or 'in good order'}")
        elif isinstance(output, Secured):
            self.log.append(f"secured: {output.tls.version}")

    def stanzas_received(self, stanzas: Sequence[Stanza]) -> Deferred[None] | None:
        self.log.append("stanzas: " + " ".join(str(stanza.id) for stanza in stanzas))
        return self.takes_time.pop(0) if self.takes_time else None

    def outstanding(self) -> Deferred[None] | None:
        return self.owes

    def lost(self, ending: Ending) -> None:
        self.ending = ending
        self.log.append(f"lost: {ending.reason}")

    # -- as a watcher ------------------------------------------------------------------------------------------------

    def entered(self, connection: Any) -> None:
        self.log.append("entered")

    def established(self, connection: Any) -> None:
        self.log.append("established")

    def left(self, connection: Any) -> None:
        self.log.append("left")
