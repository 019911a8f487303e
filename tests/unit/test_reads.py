"""Where a read of the socket ends, over a real connection under TLS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint, connectProtocol
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from gateway.addresses import prepare_domain
from gateway.net.reads import tell_ends_of_reads
from tests.support.ca import authority
from tests.support.reactor import run_in_reactor
from tests.support.tls import contexts

OURS, PEER = prepare_domain("ours.test"), prepare_domain("peer.test")
END = b"(end of a read)"


@implementer(IHandshakeListener)
class End(Protocol):
    """One end of a connection, under TLS from the start; it notes what TLS hands on and where reads end."""

    def __init__(self, creator: object) -> None:
        self.creator = creator
        self.secured: Deferred[None] = Deferred()
        self.noted: list[bytes] = []
        self.closed: Deferred[list[bytes]] = Deferred()

    def connectionMade(self) -> None:
        self.transport.startTLS(self.creator)
        tell_ends_of_reads(self.transport, lambda: self.noted.append(END))

    def handshakeCompleted(self) -> None:
        self.noted.clear()
        self.secured.callback(None)

    def dataReceived(self, data: bytes) -> None:
        self.noted.append(data)

    def connectionLost(self, reason: Any = None) -> None:
        self.closed.callback(self.noted)

    def send_records(self, records: Sequence[bytes]) -> None:
        """Make a record of each, and send them together."""
        for record in records[:-1]:
            self.transport.getHandle().send(record)
        self.transport.write(records[-1])


async def exchange(records: Sequence[bytes]) -> list[bytes]:
    from twisted.internet import reactor

    receiver = End(contexts(authority().issue("peer.test")).accepting(PEER))
    port = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(Factory.forProtocol(lambda: receiver))
    sender = End(contexts(authority().issue("ours.test")).connecting(OURS, PEER, direct=False))
    await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port), sender)
    try:
        await sender.secured
        await receiver.secured
        sender.send_records(records)
        sender.transport.loseConnection()
        return await receiver.closed
    finally:
        await port.stopListening()


def test_many_records_of_one_read_come_before_its_end() -> None:
    records = [b"one", b"two", b"three"]
    noted = run_in_reactor(lambda: exchange(records))
    first = noted.index(b"one")
    assert noted[first : first + 4] == [*records, END]
