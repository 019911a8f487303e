"""Doors: where others connect to us, one factory for each kind of door.

A door counts who is inside, in all and by address, and turns away those beyond the limits before anything is spent on
them. Behind it, each connection gets a stream of the door's profile and a session.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Protocol, ServerFactory

from gateway.net.certificates import CertificateJudge
from gateway.net.protocol import StreamProtocol, Timing
from gateway.notices import Level, Notice, Publish
from gateway.profiles import Profile
from gateway.sessions import Session
from gateway.stream.codec import Budget
from gateway.stream.facts import Facts, Role, Terms
from gateway.stream.stream import Acceptor, Stream, StreamTools


@dataclass(frozen=True, kw_only=True)
class TurnedAway(Notice):
    """A connection was closed at once, since there are too many already."""

    address: str
    why: str

    @property
    def level(self) -> Level:
        return Level.WARN

    @property
    def sentence(self) -> str:
        return f"a connection from {self.address} was turned away: {self.why}"


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """How many connections are let in."""

    streams: int = 20_000
    per_address: int = 100
    unauthenticated: int = 1000


class Porter:
    """Counts the connections of all doors together."""

    def __init__(self, crowd: Crowd, publish: Publish) -> None:
        self.crowd = crowd
        self.connections: set[StreamProtocol] = set()
        self.unproved: set[StreamProtocol] = set()
        self._by_address: Counter[str] = Counter()
        self._publish = publish

    def admits(self, address: str) -> bool:
        """Whether one more may come in from there."""
        why = ""
        if len(self.connections) >= self.crowd.streams:
            why = f"{self.crowd.streams} streams are open ([limits] streams)"
        elif self._by_address[address] >= self.crowd.per_address:
            why = f"{self.crowd.per_address} streams are open from there ([limits] streams_per_address)"
        elif len(self.unproved) >= self.crowd.unauthenticated:
            why = f"{self.crowd.unauthenticated} streams have proved nothing yet ([limits] unauthenticated_streams)"
        if why:
            self._publish(TurnedAway(address=address, why=why))
        return not why

    def entered(self, connection: StreamProtocol) -> None:
        """A connection stands."""
        self.connections.add(connection)
        self.unproved.add(connection)
        self._by_address[_host(connection)] += 1

    def established(self, connection: StreamProtocol) -> None:
        """Stanzas may pass on it."""
        self.unproved.discard(connection)

    def left(self, connection: StreamProtocol) -> None:
        """A connection is gone."""
        if connection in self.connections:
            self.connections.remove(connection)
            self.unproved.discard(connection)
            host = _host(connection)
            self._by_address[host] -= 1
            if not self._by_address[host]:
                del self._by_address[host]


def _host(connection: StreamProtocol) -> str:
    return connection.peer_address.rpartition(":")[0]


@dataclass(frozen=True, kw_only=True)
class Behind:
    """What is behind a door: the kind of stream, who judges its headers, and a session for each connection."""

    profile: Profile
    accept: Acceptor
    session: Callable[[], Session]
    terms: Terms
    tls: Callable[[Facts], Any]


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
    ) -> None:
        self._behind = behind
        self._porter = porter
        self._direct_tls = direct_tls
        self._clock = clock
        self._judge = judge
        self._tools = tools
        self._budget = budget
        self._timing = timing

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        host = str(getattr(addr, "host", addr))
        if not self._porter.admits(f"[{host}]" if ":" in host else host):
            return None
        behind = self._behind
        facts = Facts(role=Role.RECEIVING, terms=behind.terms)
        return StreamProtocol(
            Stream(behind.profile, facts, behind.accept, self._tools, self._budget),
            behind.session(),
            clock=self._clock,
            judge=self._judge,
            tls=behind.tls,
            timing=self._timing,
            direct_tls=self._direct_tls,
            watcher=self._porter,
        )
