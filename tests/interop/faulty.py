"""Servers with one fault each, as `xmpp-gateway interop` has to find them.

They speak just enough XMPP for a visitor who wants to look and not to talk: header, STARTTLS, features, and the two
questions about dialback.
"""

from __future__ import annotations

import re
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from tests.interop.peers.site import SERVER
from tests.support.sockets import PATIENCE, ScriptedServer, read_until

_STARTTLS = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"
DIALBACK = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>"
_PROCEED = b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"


@dataclass(frozen=True, kw_only=True)
class Manners:
    """What a server does; the defaults are without fault. An answer that is None is never given."""

    certificate: Path | None = None
    oldest: ssl.TLSVersion | None = None
    newest: ssl.TLSVersion | None = None
    ciphers: str = ""
    starttls: bool = True
    from_: str = ""
    id: str = "id='1'"
    version: str = "version='1.0'"
    greeting: bytes | None = None  # instead of all XMPP
    features: bool = True
    more_features: str = ""  # beside STARTTLS, in clear
    tls_features: str = DIALBACK
    verify: str | None = "invalid"
    claim: str | None = "invalid"
    flood: bytes = b""  # sent without end, where features are expected
    flood_in_tls: bytes = b""  # the same under TLS
    drip: bool = False  # a byte now and then, where features are expected


class FaultyServer(ScriptedServer):
    """One server of a domain."""

    def __init__(self, address: str, domain: str, manners: Manners) -> None:
        super().__init__(address, SERVER)
        self._domain = domain
        self._manners = manners

    def talk(self, connection: socket.socket) -> None:
        manners = self._manners
        if manners.greeting is not None:
            connection.sendall(manners.greeting)
            self._wait(connection)
            return
        self._greet(connection, (_STARTTLS if manners.starttls else "") + manners.more_features)
        if not (manners.starttls and manners.features):
            self._wait(connection)
            return
        read_until(connection, rb"<starttls[^>]*>")
        connection.sendall(_PROCEED)
        with self._context().wrap_socket(connection, server_side=True) as secured:
            self._greet(secured, manners.tls_features, manners.flood_in_tls)
            for name, answer in (("verify", manners.verify), ("result", manners.claim)):
                asked = read_until(secured, rf"<db:{name}[^>]*>[^<]*</db:{name}>".encode()).decode()
                if answer is not None:
                    secured.sendall(_answer(name, asked, answer))
            self._wait(secured)

    def _greet(self, connection: socket.socket, features: str, flood: bytes = b"") -> None:
        manners = self._manners
        asked = read_until(connection, rb"<stream:stream[^>]*>").decode()
        header = (
            "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback'"
            " xmlns:stream='http://etherx.jabber.org/streams'"
            f" from='{manners.from_ or self._domain}' to='{_attribute(asked, 'from')}' {manners.id} {manners.version}>"
        )
        connection.sendall(header.encode())
        if flood := flood or manners.flood:
            while True:
                connection.sendall(flood)
        if manners.drip:
            for byte in b"<stream:features>" + b" " * PATIENCE:
                connection.sendall(bytes([byte]))
                if self.over.wait(1):
                    return
        if manners.features and manners.version:
            connection.sendall(f"<stream:features>{features}</stream:features>".encode())

    def _context(self) -> ssl.SSLContext:
        manners = self._manners
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        assert manners.certificate is not None
        if manners.ciphers:
            context.set_ciphers(manners.ciphers)
        if manners.oldest is not None:
            context.minimum_version = manners.oldest
        if manners.newest is not None:
            context.maximum_version = manners.newest
        context.load_cert_chain(manners.certificate)
        return context

    def _wait(self, connection: socket.socket) -> None:
        while connection.recv(4096):
            pass


def _answer(name: str, asked: str, kind: str) -> bytes:
    ends = f"from='{_attribute(asked, 'to')}' to='{_attribute(asked, 'from')}'"
    id = f" id='{_attribute(asked, 'id')}'" if name == "verify" else ""
    return f"<db:{name} {ends}{id} type='{kind}'/>".encode()


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf" {name}=['\"]([^'\"]*)", tag)
    return found[1] if found else ""
