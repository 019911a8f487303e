"""A browser without windows for twisted.web sites: a request's bytes in, the answer's head and body out."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.testing import StringTransport
from twisted.web.server import Site


def ask(
    site: Site,
    path: str,
    *,
    method: str = "GET",
    name: str = "127.0.0.1:5280",
    at: str = "127.0.0.1",
    head: str = "",
    body: bytes = b"",
) -> tuple[int, dict[str, str], bytes]:
    """Ask a site that listens at an address under a name; returns the status, the headers and the body."""
    transport = StringTransport(hostAddress=IPv4Address("TCP", at, 5280))
    channel: Any = site.buildProtocol(None)
    channel.makeConnection(transport)
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    channel.dataReceived(f"{method} {path} HTTP/1.1\r\nHost: {name}\r\n{length}{head}\r\n".encode() + body)
    said, _, body = transport.value().partition(b"\r\n\r\n")
    first, *lines = said.decode("ascii").splitlines()
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split(" ")[1]), headers, body
