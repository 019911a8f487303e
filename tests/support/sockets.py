"""Addresses and servers of plain sockets, for tests that need the other side to misbehave."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

PATIENCE = 30  # of a busy machine


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    """Read until the pattern `wanted` has been found; raise ConnectionError when the other side ends before."""
    data = b""
    while not re.search(wanted, data):
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionError("the other side has ended the connection")
        data += piece
    return data


class Swallower:
    """An address that takes no connection and refuses none, as behind a firewall that swallows packets.

    The queue of connections that wait to be accepted is full, so the kernel drops whatever else comes.
    """

    def __init__(self, address: str, port: int) -> None:
        self._door = socket.create_server((address, port), backlog=0)
        self._fill: list[socket.socket] = []

    def __enter__(self) -> Self:
        for _ in range(4):
            stuffing = socket.socket()
            stuffing.setblocking(False)
            stuffing.connect_ex(self._door.getsockname())
            self._fill.append(stuffing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (*self._fill, self._door):
            each.close()


class ScriptedServer:
    """A server that meets every connection in its own thread, by the script in `talk`."""

    def __init__(self, address: str, port: int) -> None:
        self._door = socket.create_server((address, port))
        self.over = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=f"{type(self).__name__} at {address}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join(PATIENCE)

    def talk(self, connection: socket.socket) -> None:
        """Say and hear all that this server has to; the connection is closed afterwards."""
        raise NotImplementedError

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._door.accept()
            except OSError:
                return
            threading.Thread(target=self._meet, args=(connection,), daemon=True).start()

    def _meet(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(PATIENCE)
            self.talk(connection)
