"""Components that send numbered stanzas and write down what comes, fast and in few words (XEP-0114).

Stanzas are found by an expression, not by a parser, so that the tests' own processor time is not what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import Callable
from enum import Enum
from hashlib import sha1
from typing import Self

from tests.faults.book import FILLER, Heard

HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
    "xmlns:stream='http://etherx.jabber.org/streams' to='{domain}'>"
)
_STREAM_ID = re.compile(rb"<stream:stream[^>]*\bid=['\"]([^'\"]+)")
_STANZA = re.compile(rb"<(message|presence|iq)\b([^>]*?)(/?)>")
_ATTRIBUTE = re.compile(rb"\b(from|to|type|id)=['\"]([^'\"]*)")
READ_BYTES = 262144
DEAF_BYTES = 65536


class Answer(Enum):
    """What a component does when the server closes the stream."""

    CLOSES = "closes its own, as it should"
    LEAVES = "ends the connection"
    NOTHING = "nothing"


class Component:
    """One attached component. `heard` is called for each stanza that comes; requests are answered by themselves."""

    def __init__(
        self,
        domain: str,
        secret: str,
        at: tuple[str, int],
        heard: Callable[[Heard], None],
        closed: Answer = Answer.CLOSES,
    ) -> None:
        self.domain = domain
        self.is_attached = False
        self._closed = closed
        self._secret = secret
        self._at = at
        self.heard = heard
        self._reads = asyncio.Event()
        self._reads.set()
        self._task: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._attached = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._live())
        await asyncio.wait_for(self._attached.wait(), 20)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self.kill()

    async def send(self, data: bytes) -> None:
        """Send stanzas, when attached and not faster than they are taken."""
        while not self.is_attached:
            await self._attached.wait()
            await asyncio.sleep(0)
        writer = self._writer
        assert writer is not None
        with contextlib.suppress(OSError):  # then nobody has accepted them
            writer.write(data)
            await writer.drain()

    # -- faults ------------------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """Drop the connection; whatever was on its way to us is gone."""
        if self._writer is not None:
            self._writer.transport.abort()

    def deafen(self) -> None:
        """Read nothing any longer, and have the system take little for us.

        It would take up to 32 MB, as much as it has been told to (tcp_rmem), and nobody would notice that we are deaf.
        """
        self._reads.clear()
        assert self._writer is not None
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, DEAF_BYTES)

    def listen(self) -> None:
        """Read on."""
        self._reads.set()
        assert self._writer is not None
        self._writer.transport.resume_reading()  # type: ignore[attr-defined]

    async def stall(self, seconds: float) -> None:
        """Read nothing for so long."""
        self._reads.clear()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._reads.set()

    # -- life --------------------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        """Be attached; after the connection is lost, again."""
        while True:
            with contextlib.suppress(OSError, EOFError, asyncio.IncompleteReadError):
                await self._attach()
            self.is_attached = False
            self._attached.clear()
            await asyncio.sleep(0.05)

    async def _attach(self) -> None:
        reader, self._writer = await asyncio.open_connection(*self._at, limit=1 << 22)
        self._writer.write(HEADER.format(domain=self.domain).encode())
        opened = await reader.readuntil(b">")
        while (found := _STREAM_ID.search(opened)) is None:
            opened += await reader.readuntil(b">")
        digest = sha1(found[1] + self._secret.encode()).hexdigest()
        self._writer.write(f"<handshake>{digest}</handshake>".encode())
        answer = await reader.readuntil(b">")
        if b"handshake" not in answer:
            raise OSError(f"not attached: {answer!r}")
        self.is_attached = True
        self._attached.set()
        await self._listen(reader, self._writer)

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rest = b""
        while data := await reader.read(READ_BYTES):
            await self._reads.wait()
            rest = self._take(rest + data, writer)
            if b"</stream:stream>" in rest and self.is_attached:
                self.is_attached = False
                self._attached.clear()
                if self._closed is Answer.CLOSES:
                    writer.write(b"</stream:stream>")
                if self._closed is not Answer.NOTHING:
                    writer.write_eof()

    def _take(self, data: bytes, writer: asyncio.StreamWriter) -> bytes:
        """Hear every whole stanza; the answer is the rest."""
        position = 0
        answers = []
        for tag in _STANZA.finditer(data):
            if tag.start() < position:
                continue
            closing = b"</%b>" % tag[1]
            end = tag.end() if tag[3] else data.find(closing, tag.end()) + len(closing)
            if end < tag.end():
                break
            position = end
            attributes = dict(_ATTRIBUTE.findall(tag[2]))
            kind, id_, sender, to = (attributes.get(name, b"").decode() for name in (b"type", b"id", b"from", b"to"))
            self.heard(Heard(tag[1].decode(), kind, id_, data.count(FILLER.encode(), tag.end(), end)))
            if tag[1] == b"iq" and kind in ("get", "set"):
                answers.append(f"<iq type='result' id='{id_}' from='{to}' to='{sender}'/>")
        if answers:
            writer.write("".join(answers).encode())
        return data[position:]
