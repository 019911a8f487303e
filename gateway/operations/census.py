"""Census: all connections, counted in one pass by domain, direction and kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from heapq import nlargest

from gateway.net.connection.protocol import StreamProtocol
from gateway.notices.attempts.proofs import proofs_on
from gateway.notices.attempts.records import Direction, Kind
from gateway.stream.facts import Facts, Role
from gateway.stream.sessions import StreamRecord

StreamLabels = tuple[str, str, str, str, str, str]
"""Direction, kind, state, their proof, our proof, and TLS version of a stream."""


class ConnectionCounts:
    """All connections, those between servers counted by domain and direction, those of clients by domain."""

    def __init__(self, connections: Iterable[StreamProtocol]) -> None:
        self.connections = list(connections)
        self.between: Counter[tuple[str, str]] = Counter()
        self.clients: Counter[str] = Counter()
        for connection in self.connections:
            facts, log = connection.stream.facts, log_of(connection)
            kind = log.kind if log is not None else Kind.CLIENT
            if kind == Kind.CLIENT:
                self.clients[facts.local or ""] += 1
            elif kind != Kind.COMPONENT and facts.remote is not None:
                self.between[facts.remote, direction_of(facts)] += 1


class Census(ConnectionCounts):
    """The same, and all streams counted by what an operator asks about."""

    def __init__(self, connections: Iterable[StreamProtocol]) -> None:
        super().__init__(connections)
        self.streams: Counter[StreamLabels] = Counter(map(labels_of, self.connections))

    def latest(self, most: int | None) -> Iterable[StreamProtocol]:
        """Return the `most` connections that were active last."""
        if most is None or most >= len(self.connections):
            return self.connections
        return nlargest(most, self.connections, key=lambda connection: connection.last_activity)


def labels_of(connection: StreamProtocol) -> StreamLabels:
    """Return the labels of the stream on a connection."""
    facts: Facts = connection.stream.facts
    log = log_of(connection)
    kind = log.kind if log is not None else Kind.CLIENT
    proofs = proofs_on(facts)
    tls = facts.tls.version if facts.tls else "none"
    return direction_of(facts), kind, connection.stream.state.value, proofs.they_to_us, proofs.we_to_them, tls


def direction_of(facts: Facts) -> Direction:
    """Return which side opened the stream."""
    return Direction.OUT if facts.role is Role.INITIATING else Direction.IN


def log_of(connection: StreamProtocol) -> StreamRecord | None:
    """Return the record of the stream on a connection; None once the connection is lost."""
    return connection.session.log if connection.session is not None else None
