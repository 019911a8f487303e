"""Raw XML streams, typed by hand: what a test says is what goes out, and what comes back is shown as it came.

    async with dial("127.0.0.9", SERVER) as probe:
        await probe.open("prosody.test", "gateway.test")
        await probe.secure(client_tls(bundle), "gateway.test")
        header = await probe.open("prosody.test", "gateway.test")
        features = await probe.element()

`dial` plays the initiating entity and `listen` the receiving one. Nothing of the gateway's own code is used, so that
a mistake there cannot hide itself, and nothing stops a test from typing what no server should.
"""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from hashlib import sha1
from pathlib import Path
from typing import Any, cast
from xml.etree.ElementTree import Element, XMLPullParser

READ_SECONDS = 30  # of a busy machine
READ_BYTES = 65536
STREAM = "{http://etherx.jabber.org/streams}"
STREAM_ERRORS = "{urn:ietf:params:xml:ns:xmpp-streams}"
COMPONENT = "jabber:component:accept"
TLS = "urn:ietf:params:xml:ns:xmpp-tls"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"


class StreamEndedError(Exception):
    """The other side closed the stream, or the connection, where an element was expected."""


class Probe:
    """One connection, and the stream on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.received = b""  # every byte of the current stream, after TLS as before
        self.restart()

    # Typing.

    async def type(self, text: str | bytes) -> None:
        """Send exactly this."""
        self._writer.write(text.encode() if isinstance(text, str) else text)
        await self._writer.drain()

    async def open(self, sender: str, to: str, *, content: str = "jabber:server", more: str = "") -> Element:
        """Begin a new stream, and return the header that answers it, an element without children."""
        self.restart()
        await self.type(header(sender, to, content=content, more=more))
        return await self.header()

    async def secure(self, context: ssl.SSLContext, server_name: str) -> None:
        """Ask for TLS, and begin it when the other side agrees (RFC 6120 §5.4.2)."""
        await self.type(f"<starttls xmlns='{TLS}'/>")
        answer = await self.element()
        if answer.tag != f"{{{TLS}}}proceed":
            raise StreamEndedError(f"no TLS here: {answer.tag}")
        await self.start_tls(context, server_name)

    async def start_tls(self, context: ssl.SSLContext, server_name: str | None = None) -> None:
        """Only the TLS handshake, as the initiating or as the receiving entity."""
        self.restart()
        await asyncio.wait_for(self._writer.start_tls(context, server_hostname=server_name), READ_SECONDS)

    async def authenticate(self, domain: str) -> Element:
        """Offer our certificate by SASL EXTERNAL (XEP-0178 §3); returns `success` or `failure`."""
        identity = b64encode(domain.encode()).decode()
        await self.type(f"<auth xmlns='{SASL}' mechanism='EXTERNAL'>{identity}</auth>")
        return await self.element()

    async def prove(self, context: ssl.SSLContext, sender: str, to: str) -> Element:
        """All of a negotiation by certificate, from the first header on; returns the last features."""
        await self.open(sender, to)
        await self.element()
        await self.secure(context, to)
        await self.open(sender, to)
        await self.element()
        answer = await self.authenticate(sender)
        if answer.tag != f"{{{SASL}}}success":
            raise StreamEndedError(f"not let in: {self.received.decode(errors='replace')}")
        await self.open(sender, to)
        return await self.element()

    async def attach(self, domain: str, secret: str) -> Element:
        """As an external component: header and handshake (XEP-0114 §3); returns what answers the handshake."""
        await self.type_handshake(domain, secret)
        return await self.element()

    async def type_handshake(self, domain: str, secret: str) -> None:
        """The same without waiting for the answer."""
        self.restart()
        await self.type(component_header(domain))
        stream_id = (await self.header()).get("id", "")
        await self.type(f"<handshake>{sha1(f'{stream_id}{secret}'.encode()).hexdigest()}</handshake>")

    def drop(self) -> None:
        """End the connection at once, without any word about the stream."""
        self._writer.transport.abort()

    # Reading.

    async def header(self, timeout: float = READ_SECONDS) -> Element:
        """The stream header of the other side, with its attributes."""
        event, element = await self._next(timeout)
        if event != "start":
            raise StreamEndedError("the stream ended before it began")
        return element

    async def element(self, timeout: float = READ_SECONDS) -> Element:
        """The next whole child of the stream: features, a stanza, an error."""
        event, element = await self._next(timeout)
        if event != "child":
            raise StreamEndedError(f"the stream ended; what came before: {self.received.decode(errors='replace')}")
        return element

    async def unparsed(self, timeout: float = READ_SECONDS) -> bytes:
        """Return what comes next, whatever it is."""
        return await asyncio.wait_for(self._reader.read(READ_BYTES), timeout)

    async def error(self, timeout: float = READ_SECONDS) -> str:
        """Read on up to a stream error; returns its condition (RFC 6120 §4.9.3)."""
        while (found := await self._next(timeout))[0] not in ("end", "lost"):
            event, element = found
            if event == "child" and element.tag == f"{STREAM}error":
                return element[0].tag.removeprefix(STREAM_ERRORS)
        raise StreamEndedError(f"no error came: {self.received.decode(errors='replace')}")

    async def ended(self, timeout: float = READ_SECONDS) -> bool:
        """Wait for the end of the connection; returns whether the stream was closed properly before."""
        closed = False
        while (event := (await self._next(timeout))[0]) != "lost":
            closed = closed or event == "end"
        return closed

    @property
    def peer_certificate(self) -> bytes | None:
        """Return what the other side has shown in the TLS handshake, as DER."""
        tls: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        return tls.getpeercert(binary_form=True)

    @property
    def alpn(self) -> str | None:
        """The application protocol that TLS agreed on."""
        tls: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        return tls.selected_alpn_protocol()

    def restart(self) -> None:
        """Forget the stream so far: what comes next is a header."""
        self._parser: XMLPullParser[Any] = XMLPullParser(("start", "end"))
        self._depth = 0
        self.received = b""

    async def _next(self, timeout: float) -> tuple[str, Element]:
        """Return what comes next: ("start", header), ("child", element), ("end", stream) or ("lost", nothing)."""
        async with asyncio.timeout(timeout):
            while True:
                if found := self._parsed():
                    return found
                if not await self._read():
                    return "lost", Element("nothing")

    def _parsed(self) -> tuple[str, Element] | None:
        events = cast(Iterator[tuple[str, Element]], self._parser.read_events())
        for event, element in events:
            self._depth += 1 if event == "start" else -1
            match event, self._depth:
                case "start", 1:
                    return "start", element
                case "end", 1:
                    return "child", element
                case "end", 0:
                    return "end", element
        return None

    async def _read(self) -> bool:
        try:
            data = await self._reader.read(READ_BYTES)
        except OSError:
            return False  # reset: as lost as any
        self.received += data
        self._parser.feed(data)
        return bool(data)


@asynccontextmanager
async def dial(
    address: str, port: int, *, context: ssl.SSLContext | None = None, server_name: str | None = None
) -> AsyncIterator[Probe]:
    """Connect as the initiating entity; with a context: TLS from the first byte (XEP-0368)."""
    reader, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=server_name)
    probe = Probe(reader, writer)
    try:
        yield probe
    finally:
        probe.drop()


@asynccontextmanager
async def listen(
    address: str, port: int, *, context: ssl.SSLContext | None = None
) -> AsyncIterator[Callable[[], Awaitable[Probe]]]:
    """Wait as the receiving entity; what this yields returns the next connection."""
    arrived: asyncio.Queue[Probe] = asyncio.Queue()
    probes: list[Probe] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        probes.append(Probe(reader, writer))
        await arrived.put(probes[-1])

    async def next_probe() -> Probe:
        return await asyncio.wait_for(arrived.get(), READ_SECONDS)

    server = await asyncio.start_server(accept, address, port, ssl=context)
    try:
        yield next_probe
    finally:
        server.close()
        for probe in probes:
            probe.drop()


def header(sender: str, to: str, *, content: str = "jabber:server", more: str = "") -> str:
    """A stream header as servers send it; `more` holds further attributes."""
    return (
        f"<?xml version='1.0'?><stream:stream xmlns='{content}' xmlns:stream='{STREAM[1:-1]}' "
        f"xmlns:db='jabber:server:dialback' from='{sender}' to='{to}' version='1.0' {more}>"
    )


def component_header(domain: str) -> str:
    """A stream header as external components send it."""
    return f"<?xml version='1.0'?><stream:stream xmlns='{COMPONENT}' xmlns:stream='{STREAM[1:-1]}' to='{domain}'>"


def client_tls(bundle: Path | None = None, *, alpn: bool = False) -> ssl.SSLContext:
    """TLS for the initiating entity: believes any certificate, and shows the one in the bundle."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the system has many authorities, and reading them is slow
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if bundle:
        context.load_cert_chain(bundle)
    if alpn:
        context.set_alpn_protocols(["xmpp-server"])
    return context


def server_tls(bundle: Path, authorities: Path) -> ssl.SSLContext:
    """TLS for the receiving entity: shows the bundle's certificate, and asks for one of these authorities."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle)
    context.load_verify_locations(authorities)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context
