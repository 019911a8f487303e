"""The shortest way to an established stream, as a server, a component or a client."""

from __future__ import annotations

import hashlib
import ssl
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.wire import Wire

FEATURES = rb"<stream:features[^>]*/>|</stream:features>"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
BIND = "urn:ietf:params:xml:ns:xmpp-bind"
CLOSING_TAG = b"</stream:stream>"


@dataclass(frozen=True, kw_only=True)
class Place:
    """The address of a server, and one of its domains."""

    address: str
    port: int
    domain: str


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """The identity of a server: certificate and key in one file, and the authority that it trusts."""

    bundle: Path
    authorities: Path

    def initiating(self, *, shown: bool = True) -> ssl.SSLContext:
        """Return TLS for the initiating entity, which presents its certificate, or none."""
        context = believing_anybody()
        if shown:
            context.load_cert_chain(self.bundle)
        return context

    def receiving(self) -> ssl.SSLContext:
        """Return TLS for the receiving entity, which requests a certificate as servers do."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.bundle)
        context.load_verify_locations(self.authorities)
        context.verify_mode = ssl.CERT_OPTIONAL
        return context


def believing_anybody() -> ssl.SSLContext:
    """Return TLS for an initiating entity that does not check certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def server_stream(place: Place, own: str, context: ssl.SSLContext, *, external: bool = True, source: str = "") -> Wire:
    """Return a stream from our domain to that server, proved by our certificate, or else by dialback."""
    wire = Wire.dial(place.address, place.port, source=source)
    header = _header("jabber:server", place.domain, f"from='{own}'")
    _secure(wire, header, context, place.domain)
    wire.send(header)
    wire.until(FEATURES)
    if external:
        identity = b64encode(own.encode()).decode()
        wire.send(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>{identity}</auth>".encode())
        wire.until(rb"<success[^>]*>")
        wire.send(header)
        wire.until(FEATURES)
    else:
        wire.send(f"<db:result from='{own}' to='{place.domain}'>0123456789abcdef</db:result>".encode())
        wire.until(rb"""<db:result[^>]*type=['"]valid['"][^>]*>""")
    return wire


def component_stream(place: Place, secret: str) -> Wire:
    """Return the stream of an external component (XEP-0114)."""
    wire = Wire.dial(place.address, place.port)
    wire.send(_header("jabber:component:accept", place.domain, "", version=""))
    stream_id = wire.until(rb"""<stream:stream[^>]*\sid=['"]([^'"]+)['"][^>]*>""")[1].decode()
    digest = hashlib.sha1(f"{stream_id}{secret}".encode()).hexdigest()
    wire.send(f"<handshake>{digest}</handshake>".encode())
    wire.until(rb"<handshake[^>]*/>|</handshake>")
    return wire


def client_stream(place: Place, user: str, password: str, resource: str, *, available: bool = True) -> Wire:
    """Return the stream of a client, with a resource bound."""
    wire = Wire.dial(place.address, place.port)
    header = _header("jabber:client", place.domain, "")
    _secure(wire, header, believing_anybody(), place.domain)
    wire.send(header)
    wire.until(FEATURES)
    initial = b64encode(f"\0{user}\0{password}".encode()).decode()
    wire.send(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{initial}</auth>".encode())
    wire.until(rb"<success[^>]*>")
    wire.send(header)
    wire.until(FEATURES)
    wire.send(f"<iq type='set' id='b'><bind xmlns='{BIND}'><resource>{resource}</resource></bind></iq>".encode())
    wire.until(rb"</iq>")
    if available:
        wire.send(b"<presence/>")
        wire.until(rb"<presence[^>]*>")
    return wire


def _secure(wire: Wire, header: bytes, context: ssl.SSLContext, server_name: str) -> None:
    wire.send(header)
    wire.until(FEATURES)
    wire.send(f"<starttls xmlns='{TLS}'/>".encode())
    wire.until(rb"<proceed[^>]*>")
    wire.start_tls(context, server_name=server_name)


def _header(content: str, to: str, more: str, *, version: str = "version='1.0'") -> bytes:
    dialback = "xmlns:db='jabber:server:dialback'" if content == "jabber:server" else ""
    return (
        f"<?xml version='1.0'?><stream:stream xmlns='{content}' xmlns:stream='http://etherx.jabber.org/streams' "
        f"{dialback} to='{to}' {more} {version}>"
    ).encode()
