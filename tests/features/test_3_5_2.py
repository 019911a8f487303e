"""Feature 3.5-2: who closes a stream waits a reasonable time for the other side's closing tag (RFC 6120 §4.4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway
from tests.interop.peers.site import SERVER
from tests.interop.probe import READ_SECONDS, Probe, dial


@asynccontextmanager
async def closed_by(start: Starter, patience: float) -> AsyncIterator[Probe]:
    """A stream that the gateway has just closed; it waits this many seconds for the other side's tag."""
    gateway = start(Gateway, "patient.test", options={"limits": {"close_seconds": patience}})
    async with dial(gateway.address, SERVER) as probe:
        await probe.open("probe.test", "nobody.test")
        assert await probe.error() == "host-unknown"
        yield probe


async def test_the_connection_ends_at_once_when_the_tag_comes(start: Starter) -> None:
    async with closed_by(start, patience=2 * READ_SECONDS) as probe:
        await probe.type("</stream:stream>")
        assert await probe.ended()


async def test_the_connection_ends_after_a_while_when_no_tag_comes(start: Starter) -> None:
    began = asyncio.get_running_loop().time()
    async with closed_by(start, patience=1.0) as probe:
        assert await probe.ended()
    assert asyncio.get_running_loop().time() - began > 0.9
