"""A client that sends numbered messages with stream management (XEP-0198), as fast as the components of these tests."""

from __future__ import annotations

import asyncio
import contextlib
import re
from base64 import b64encode
from collections import deque
from collections.abc import Callable

from tests.faults.book import Heard
from tests.faults.components import READ_BYTES, Component
from tests.interop.probe import client_tls

HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='{domain}'>"
)
AUTH = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{credentials}</auth>"
BIND = "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>"
ENABLE = "<enable xmlns='urn:xmpp:sm:3'/>"
REQUEST = b"<r xmlns='urn:xmpp:sm:3'/>"
_MESSAGE = re.compile(rb"<message .*?</message>", re.DOTALL)
_ANSWER = re.compile(rb"<a\b[^>]*?\bh=['\"](\d+)['\"][^>]*>")


class Client(Component):
    """One account, online. What was not acknowledged when its connection broke is sent again, as clients do."""

    def __init__(self, jid: str, password: str, at: tuple[str, int], heard: Callable[[Heard], None]) -> None:
        """`at` is where clients connect with TLS from the first byte."""
        user, _, domain = jid.partition("@")
        super().__init__(domain, password, at, heard)
        self.sent_again = 0
        self._credentials = b64encode(f"\0{user}\0{password}".encode()).decode()
        self._unacknowledged: deque[bytes] = deque()
        self._acknowledged = 0  # on this stream

    async def send(self, data: bytes) -> None:
        """Send messages, when online and not faster than they are taken."""
        while not self.is_attached:
            await self._attached.wait()
            await asyncio.sleep(0)
        assert self._writer is not None
        self._unacknowledged.extend(_MESSAGE.findall(data))
        with contextlib.suppress(OSError):
            self._writer.write(data + REQUEST)
            await self._writer.drain()

    async def _attach(self) -> None:
        reader, self._writer = await asyncio.open_connection(*self._at, limit=1 << 22, ssl=client_tls())
        header = HEADER.format(domain=self.domain)
        for said, answer in (
            (header, b"</stream:features>"),
            (AUTH.format(credentials=self._credentials), b"<success"),
            (header, b"</stream:features>"),
            (BIND, b"</iq>"),
            (ENABLE, b"<enabled"),
        ):
            self._writer.write(said.encode())
            await asyncio.wait_for(reader.readuntil(answer), 10)
        await reader.readuntil(b">")
        self._acknowledged = 0
        self.sent_again += len(self._unacknowledged)
        self._writer.write(b"".join(self._unacknowledged) + REQUEST)
        self.is_attached = True
        self._attached.set()
        await self._listen(reader, self._writer)

    def _take(self, data: bytes, writer: asyncio.StreamWriter) -> bytes:
        for answer in _ANSWER.finditer(data):
            while self._acknowledged < int(answer[1]) and self._unacknowledged:
                self._unacknowledged.popleft()
                self._acknowledged += 1
        return super()._take(_ANSWER.sub(b"", data), writer)[-READ_BYTES:]
