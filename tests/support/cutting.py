"""A proxy before a PostgreSQL server that cuts a connection at COMMIT: before the server has it, or after it is done.

with Cutting(server) as proxy:
    store = open_store(proxy.url, ...)
    proxy.cut_next(after=True)
    proxy.hold_next()  # or: the server learns of nothing yet
    proxy.let_go(after=False)
"""

from __future__ import annotations

import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tests.support.postgresql import USER, Postgresql

SOCKET = ".s.PGSQL.5432"


class Cutting:
    """Passes on all that goes to and fro, until a COMMIT is to be cut off."""

    def __init__(self, server: Postgresql, schema: str) -> None:
        self._server = server
        self._folder = tempfile.TemporaryDirectory(prefix="xg-cut-")
        self._listening = socket.socket(socket.AF_UNIX)
        self._cut: bool | None = None
        self._reaches = False  # whether the server gets the COMMIT that was cut off
        self._held = threading.Event()
        self._held.set()
        self.cuts = 0
        host = quote(self._folder.name)
        self.url = f"postgresql://{USER}@/{USER}?host={host}&options={quote(f'-csearch_path={schema}')}"

    def cut_next(self, *, after: bool) -> None:
        """Cut the connection of the next COMMIT, after the server has done it or before it knows of it."""
        self._cut = after

    def hold_next(self) -> None:
        """Cut the connection of the next COMMIT for the client alone: for the server the transaction is under way."""
        self._cut = True
        self._held.clear()

    def let_go(self, *, after: bool) -> None:
        """Give the server the COMMIT that was held back, or cut its connection before it knows of it."""
        self._reaches = after
        self._held.set()

    def __enter__(self) -> Self:
        self._listening.bind(str(Path(self._folder.name) / SOCKET))
        self._listening.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._held.set()
        self._listening.close()
        self._folder.cleanup()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server.folder / SOCKET))
                for start in ((self._to_server, client, server), (self._to_client, server, client)):
                    threading.Thread(target=start[0], args=start[1:], daemon=True).start()

    def _to_server(self, client: Any, server: Any) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if b"COMMIT" in data and self._cut is not None:
                    self._reaches, self._cut = self._cut, None
                    self.cuts += 1
                    client.shutdown(socket.SHUT_RDWR)
                    self._held.wait()
                    if self._reaches:
                        server.sendall(data)
                        server.recv(65536)  # the server has done it
                    break
                server.sendall(data)
        _close(client, server)

    def _to_client(self, server: Any, client: Any) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)
        _close(client, server)


def _close(*sockets: Any) -> None:
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
