"""A server that is broken on purpose, in a way that operators meet."""

from __future__ import annotations

import re
import socket
import ssl
from pathlib import Path

from tests.interop.peers.site import SERVER
from tests.support.sockets import ScriptedServer, read_until

HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'"
    " from='{domain}' to='{to}' id='{id}' version='1.0'><stream:features>{features}</stream:features>"
)
STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
EXTERNAL = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"
PROCEED = "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
SUCCESS = "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"


class Slammer(ScriptedServer):
    """A server that believes our certificate, says so, and slams the door."""

    def __init__(self, address: str, domain: str, certificate: Path) -> None:
        super().__init__(address, SERVER)
        self._domain = domain
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate)

    def talk(self, connection: socket.socket) -> None:
        self._answer(connection, rb"<stream:stream[^>]*>", STARTTLS)
        read_until(connection, rb"<starttls[^>]*>")
        connection.sendall(PROCEED.encode())
        with self._context.wrap_socket(connection, server_side=True) as secured:
            self._answer(secured, rb"<stream:stream[^>]*>", EXTERNAL)
            read_until(secured, rb"</auth>")
            secured.sendall(SUCCESS.encode())

    def _answer(self, connection: socket.socket, wanted: bytes, features: str) -> None:
        header = read_until(connection, wanted).decode()
        sender = re.search(r"from=['\"]([^'\"]*)", header)
        to = sender[1] if sender else ""
        connection.sendall(HEADER.format(domain=self._domain, to=to, id="1", features=features).encode())
