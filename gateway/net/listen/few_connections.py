"""FewConnections: a bound on the connections to a port that the connection limits of XMPP streams do not cover.

    serverFromString(reactor, "tcp:5280").listen(FewConnections(site))

An HTTP server of Twisted's closes a connection that is idle, but not one that sends a byte now and then. Without a
bound, somebody who only opens such connections takes all the descriptors of the process, and every port suffers.
"""

from __future__ import annotations

from twisted.internet.interfaces import IProtocolFactory, ITransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure

from gateway.bounds.tables import Bounded, neighbourhood
from gateway.net.listen.descriptors import MOST_CONNECTIONS


class FewConnections(WrappingFactory):
    """The connections to one port; beyond the bound, the oldest one of the address with the most is cut."""

    noisy = False

    def __init__(self, factory: IProtocolFactory, most: int = MOST_CONNECTIONS) -> None:
        super().__init__(factory)
        self._most = most
        self._connections: Bounded[_OneOfFew, None] = Bounded(most + 1)
        self.protocol = _OneOfFew

    def came(self, connection: _OneOfFew) -> None:
        """Count a connection, and cut another one if there are too many."""
        host = getattr(connection.getPeer(), "host", "")
        self._connections.put(connection, None, neighbourhood(host))
        if len(self._connections) > self._most and (first := self._connections.first_to_go()) is not None:
            self._connections.pop(first)
            first.cut()

    def went(self, connection: _OneOfFew) -> None:
        """Count a connection no longer."""
        self._connections.pop(connection)

    def end(self) -> None:
        """Cut all connections."""
        for connection in list(self._connections):
            connection.cut()


class _OneOfFew(ProtocolWrapper):
    """One connection."""

    def makeConnection(self, transport: ITransport) -> None:
        super().makeConnection(transport)
        self.factory.came(self)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.factory.went(self)
        super().connectionLost(reason)

    def cut(self) -> None:
        """End the connection without waiting for anything."""
        self.abortConnection()
