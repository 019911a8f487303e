"""Readable: whether a transport is read from (back-pressure, where we read).

While a destination of incoming stanzas has no room, nothing more is read, and TCP makes the other side wait.
"""

from __future__ import annotations

from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import Deferred

from gateway.net.tls.transport import ITCPStream


class Readable:
    """The number of things that must happen before reading continues."""

    __slots__ = ("_transport", "_waits")

    def __init__(self) -> None:
        self._transport: ITCPStream | None = None  # while it may be read from
        self._waits = 0

    @property
    def is_paused(self) -> bool:
        """Return whether nothing is read for now."""
        return self._waits > 0

    def begin(self, transport: ITCPStream) -> None:
        """Read from this transport from now on."""
        self._transport = transport

    def read_at_once(self, size: int = FileDescriptor.bufferSize) -> None:
        """Read at most this many bytes at once; as many as usual if no size is given."""
        if self._transport is not None:
            self._transport.bufferSize = size

    def wait_for(self, wait: Deferred[None]) -> None:
        """Read nothing more until this has fired."""
        self._waits += 1
        if self._waits == 1 and self._transport is not None:
            self._transport.pauseProducing()
        wait.addCallback(lambda _: self._waited())

    def release(self) -> None:
        """Continue reading, whatever was to be waited for."""
        if self._waits:
            self._waits = 0
            self._read_on()

    def close(self) -> None:
        """Read nothing more, because the connection is lost."""
        self._transport = None

    def _waited(self) -> None:
        if self._waits:
            self._waits -= 1
            if not self._waits:
                self._read_on()

    def _read_on(self) -> None:
        if self._transport is not None:
            self._transport.resumeProducing()
