"""Writable: what is written to a transport, and whether it takes more (back-pressure, where we write).

Bytes go to the system at once, which nearly always takes them, so the reactor need not report when it can. Bytes that
the system does not take wait in the transport: then there is no room until all of them are gone. If something is
between us and the system, as with `haproxy:` endpoints, everything goes through it, and there is room until it says
otherwise.

Stanzas are not written while there is no room. The stream's own answers are: those of the negotiation, of stream
management, of TLS. A peer that asks and never reads could make us gather them without end, so they are counted, and
`is_overfull` says when no further question should be read. Honest peers stay far below that limit. Two busy servers
that stopped reading for every answer that has to wait would wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPullProducer, IPushProducer
from zope.interface import implementer

from gateway.net.tls.transport import ITCPStream
from gateway.timing.waiters import Waiters

MOST_ANSWERS = 1 << 16
"""The bytes written while there is no room, beyond which nothing more should be read."""


class Owner(Protocol):
    """The owner of the connection."""

    def write_paused(self) -> None:
        """Note that nothing more is taken for now."""

    def write_resumed(self) -> None:
        """Note that everything that waited has been taken."""


@implementer(IPullProducer, IPushProducer)
class Writable:
    """Whether there is room, and who waits for it."""

    def __init__(self, owner: Owner) -> None:
        """`owner` must not refer to us, so that everything is freed at once when the connection is gone."""
        self.has_ended = False  # nothing follows what was written
        self._transport: ITCPStream | None = None  # while it may be written to
        self._write_some: Callable[[bytes], int | BaseException] | None = None
        self._is_full = False
        self._excess = 0  # bytes written while there was no room
        self._owner = owner
        self._waiting = Waiters()

    @property
    def is_open(self) -> bool:
        """Return whether there is room."""
        return not (self._is_full or self.has_ended)

    @property
    def is_overfull(self) -> bool:
        """Return whether so much was written while there was no room that nothing more should be read for now."""
        return self._excess > MOST_ANSWERS

    def begin(self, transport: ITCPStream) -> None:
        """Write to this transport from now on."""
        self._transport = transport
        # A wrapper also passes through the methods of what it wraps, which would bypass its TLS; so check the class.
        is_direct = hasattr(type(transport), "writeSomeData")
        self._write_some = cast(FileDescriptor, transport).writeSomeData if is_direct else None
        transport.registerProducer(self, not is_direct)  # a pull producer is called when nothing waits any longer

    def write(self, data: bytes) -> None:
        """Send the bytes, or as many as the system takes, and have the transport send the rest."""
        transport = self._transport
        if transport is None:
            return
        if self._write_some is not None and not self._is_full:
            sent = self._write_some(data)
            if sent == len(data):
                return
            if isinstance(sent, int):
                data = data[sent:]
                self.pauseProducing()
            else:  # the connection is lost, as the transport will find out
                self.end()
        elif self._is_full:
            self._excess += len(data)
        transport.write(data)

    def wait(self) -> Deferred[None] | None:
        """Return None if there is room, else a Deferred that fires when there is, or never will be."""
        if self.is_open:
            return None
        return self._waiting.wait()

    def end(self) -> None:
        """Note that our closing tag is sent: there will never be room behind it (RFC 6120 §4.4)."""
        self.has_ended = True

    def close(self) -> None:
        """Write nothing more, because the connection is lost, or cut."""
        self._transport = self._write_some = None
        self.end()

    def release(self) -> None:
        """Release everybody who waits."""
        self._waiting.release()

    def pauseProducing(self) -> None:
        if not self._is_full:  # a transport may repeat itself with every write
            self._is_full = True
            self._owner.write_paused()

    def resumeProducing(self) -> None:
        if self._is_full:
            self._is_full = False
            self._excess = 0
            self._owner.write_resumed()
            if self.is_open:
                self.release()

    def stopProducing(self) -> None:
        self.end()
