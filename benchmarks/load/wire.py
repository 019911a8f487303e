"""Wire: a blocking connection, plain and then under TLS, that moves many bytes with few system calls.

An SSLSocket reads every TLS record with two system calls. Here one call reads everything that the kernel has, and TLS
works on memory. Data can be `sealed` ahead of time, so that sending it takes only system calls.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Self

READ_BYTES = 262144
TIMEOUT_SECONDS = 60


class WireClosedError(Exception):
    """The other side ended the connection, or announced it, where an answer was expected."""


class Wire:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(TIMEOUT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._tls: ssl.SSLObject | None = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._unread = b""

    @classmethod
    def dial(cls, address: str, port: int, *, source: str = "") -> Self:
        """Connect to a server, from the given address of ours, if any."""
        return cls(socket.create_connection((address, port), TIMEOUT_SECONDS, (source, 0) if source else None))

    def start_tls(self, context: ssl.SSLContext, *, server_name: str | None = None, accepting: bool = False) -> None:
        """Do the TLS handshake, from either side."""
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=accepting, server_hostname=server_name)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._incoming.write(self._read_socket() or _closed("during the TLS handshake"))
            else:
                self._flush()
                self._unread = self._opened()  # came together with the end of the handshake
                return

    # Sending.

    def send(self, data: bytes) -> None:
        """Send this now."""
        self.transmit(self.sealed([data]))

    def sealed(self, writes: Iterable[bytes]) -> list[bytes]:
        """Return the bytes on the socket for these writes, each separately, in this order and
        with nothing in between.
        """
        if self._tls is None:
            return list(writes)
        sealed = []
        for data in writes:
            self._tls.write(data)
            sealed.append(self._outgoing.read())
        return sealed

    def transmit(self, sealed: Iterable[bytes]) -> None:
        """Send what was sealed, with a system call for each part."""
        sendall = self._socket.sendall
        for part in sealed:
            sendall(part)

    # Receiving.

    def receive(self) -> bytes:
        """Return what one read of the socket brings, or nothing at the end of the connection."""
        if self._unread:
            data, self._unread = self._unread, b""
            return data
        while data := self._read_socket():
            if self._tls is None:
                return data
            self._incoming.write(data)
            if opened := self._opened():
                return opened
        return b""

    def until(self, pattern: bytes) -> re.Match[bytes]:
        """Read up to the pattern; what follows is left for the next read."""
        seen = b""
        while not (found := re.search(pattern, seen)):
            if b"<stream:error" in seen:
                _closed(f"with {seen[-500:].decode(errors='replace')}")
            seen += self.receive() or _closed(f"while waiting for {pattern.decode()} after {seen[-500:]!r}")
        self._unread = seen[found.end() :]
        return found

    def put_back(self, data: bytes) -> None:
        """Let this be received once more, before anything else."""
        self._unread = data + self._unread

    def close(self) -> None:
        """End the connection, and every wait for it."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _read_socket(self) -> bytes:
        try:
            return self._socket.recv(READ_BYTES)
        except ConnectionResetError:
            return b""

    def _opened(self) -> bytes:
        """Return the content of all records received so far."""
        assert self._tls is not None
        opened = []
        with suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            while data := self._tls.read(READ_BYTES):
                opened.append(data)
        return b"".join(opened)

    def _flush(self) -> None:
        if data := self._outgoing.read():
            self._socket.sendall(data)


def _closed(problem: str) -> bytes:
    raise WireClosedError(f"the other side closed {problem}")
