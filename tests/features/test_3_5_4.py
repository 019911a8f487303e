"""Feature 3.5-4: once both sides have closed the stream, TCP is closed (RFC 6120 §4.4)."""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.peers import Peer
from tests.interop.peers.site import SERVER
from tests.interop.probe import READ_SECONDS, header


@pytest.mark.parametrize("to", ["gateway.test", "nobody.test"])
async def test_the_connection_ends_with_the_stream(gateway: Peer, to: str) -> None:
    reader, writer = await asyncio.open_connection(gateway.address, SERVER)
    writer.write(f"{header('probe.test', to)}</stream:stream>".encode())
    said = await asyncio.wait_for(reader.read(), READ_SECONDS)  # up to the end of the connection
    assert said.endswith(b"</stream:stream>")
    writer.close()
