"""The network between two servers, which a test can cut, stall and close.

    async with Wire("127.0.7.9", SERVER, to=peer.at(SERVER)) as wire:
        wire.cut()                       every connection is reset, in the middle of whatever it carries
        await wire.refuse(seconds)       nothing listens there for a while, and what was open is reset
        await wire.stall(seconds)        bytes stay where they are, and nobody is told
        wire.swallow()                   what is carried by the connections of now vanishes, and nobody is told
        wire.swallow(BACK)               the same, in one direction

To a server that finds the wire's address in the DNS, the wire looks like the server itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Self

READ_BYTES = 65536
THERE, BACK = "there", "back"  # seen from the side that opened the connection
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, no time: close sends RST


class _Link:
    """One connection from end to end."""

    def __init__(self, *ends: asyncio.StreamWriter) -> None:
        self.ends = ends
        self.swallowed: set[str] = set()  # directions
        self.is_cut = asyncio.Event()

    def cut(self) -> None:
        self.is_cut.set()
        for end in self.ends:
            with contextlib.suppress(OSError):  # it is closed already
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.transport.abort()


class Wire:
    """One listening address whose connections lead to another."""

    def __init__(self, address: str, port: int, *, to: tuple[str, int]) -> None:
        self.address = address
        self.port = port
        self.carried = 0  # bytes
        self.opened = 0  # connections
        self._to = to
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._flows = asyncio.Event()
        self._flows.set()

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._shut()

    # -- faults ------------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        """Reset all connections."""
        for link in tuple(self._links):
            link.cut()
        self._links.clear()

    def swallow(self, *ways: str) -> None:
        """Let all connections go silent for good, as when somebody between the two has forgotten them."""
        for link in self._links:
            link.swallowed.update(ways or (THERE, BACK))

    async def refuse(self, seconds: float) -> None:
        """Reset all connections, and take none for so long."""
        await self._shut()
        try:
            await asyncio.sleep(seconds)
        finally:
            await self._listen()

    def freeze(self) -> None:
        """Carry nothing, until `thaw`."""
        self._flows.clear()

    def thaw(self) -> None:
        """Carry everything again."""
        self._flows.set()

    async def stall(self, seconds: float) -> None:
        """Carry nothing for so long."""
        self.freeze()
        try:
            await asyncio.sleep(seconds)
        finally:
            self.thaw()

    # -- carrying ----------------------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, self.address, self.port)

    async def _shut(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            there_reader, there_writer = await asyncio.open_connection(*self._to)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, there_writer)
        self._links.add(link)
        try:
            await asyncio.gather(
                self._carry(link, THERE, reader, there_writer), self._carry(link, BACK, there_reader, writer)
            )
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            self._links.discard(link)
            for end in link.ends:
                end.close()

    async def _carry(self, link: _Link, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(READ_BYTES):
                await self._flows.wait()
                if way not in link.swallowed:
                    self.carried += len(data)
                    writer.write(data)
                    await writer.drain()
            if not link.swallowed:
                writer.write_eof()
        except OSError:
            if not link.swallowed:
                link.cut()
        if link.swallowed:
            await link.is_cut.wait()  # the end of the connection goes unnoticed, too
