"""Servers that are broken on purpose, each in one way that operators meet."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.interop.peers.site import SERVER

HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
    " from='{domain}' to='{to}' id='{id}' version='1.0'><stream:features>{features}</stream:features>"
)
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
EXTERNAL = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
PATIENCE = 30  # of a busy machine


class Swallower:
    """An address that takes no connection and refuses none, as behind a firewall that swallows packets.

    The queue of connections that wait to be accepted is full, so the kernel drops whatever else comes.
    """

    def __init__(self, address: str) -> None:
        self._door = socket.socket()
        self._door.bind((address, SERVER))
        self._door.listen(0)
        self._fill: list[socket.socket] = []

    def __enter__(self) -> Self:
        for _ in range(4):
            stuffing = socket.socket()
            stuffing.setblocking(False)
            with suppress(BlockingIOError):
                stuffing.connect(self._door.getsockname())
            self._fill.append(stuffing)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (*self._fill, self._door):
            each.close()


class Slammer:
    """A server that believes our certificate, says so, and slams the door."""

    def __init__(self, address: str, domain: str, certificate: Path) -> None:
        self._domain = domain
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)
        self._door = socket.create_server((address, SERVER))
        self._thread = threading.Thread(target=self._serve, name=f"slammer {domain}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join(PATIENCE)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._door.accept()
            except OSError:
                return
            with suppress(OSError), connection:
                connection.settimeout(PATIENCE)
                self._slam(connection)

    def _slam(self, connection: socket.socket) -> None:
        self._answer(connection, rb"<stream:stream[^>]*>", STARTTLS)
        _read_until(connection, rb"<starttls[^>]*>")
        connection.sendall(PROCEED.encode())
        with self._context.wrap_socket(connection, server_side=True) as secured:
            self._answer(secured, rb"<stream:stream[^>]*>", EXTERNAL)
            _read_until(secured, rb"</auth>")
            secured.sendall(SUCCESS.encode())

    def _answer(self, connection: socket.socket, wanted: bytes, features: str) -> None:
        header = _read_until(connection, wanted).decode()
        sender = re.search(r"from=['\"]([^'\"]*)", header)
        to = sender[1] if sender else ""
        connection.sendall(HEADER.format(domain=self._domain, to=to, id="1", features=features).encode())


def _read_until(connection: socket.socket, wanted: bytes) -> bytes:
    data = b""
    while not re.search(wanted, data):
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionError("the other side has gone")
        data += piece
    return data
