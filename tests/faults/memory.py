"""What a process has in memory, as the system tells it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.interop.peers import Peer

MEGABYTE = 1 << 20
_PAGE = os.sysconf("SC_PAGE_SIZE")


def memory(server: Peer) -> int:
    """The memory that a process has, in bytes."""
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * _PAGE


@dataclass
class Growth:
    """By how much a process has grown, at most."""

    most: int = 0

    @property
    def megabytes(self) -> float:
        return self.most / MEGABYTE


@asynccontextmanager
async def growth(server: Peer) -> AsyncIterator[Growth]:
    """Watch a process grow, from now until the end of the block."""
    before, grown = memory(server), Growth()

    async def watch() -> None:
        while True:
            grown.most = max(grown.most, memory(server) - before)
            await asyncio.sleep(0.05)

    watching = asyncio.create_task(watch())
    try:
        yield grown
    finally:
        watching.cancel()
        grown.most = max(grown.most, memory(server) - before)
