"""The faults, each as an action that a schedule can take at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from random import Random

from tests.faults.components import Component
from tests.faults.proxy import BACK, THERE, Wire
from tests.interop.peers import Peer

Fault = Callable[[Random], Awaitable[None]]
_WAYS = ((THERE, BACK), (THERE,), (BACK,))


def cuts(*wires: Wire) -> Fault:
    """Connections are reset."""

    async def fault(random: Random) -> None:
        random.choice(wires).cut()

    return fault


def refusals(*wires: Wire) -> Fault:
    """Connections are reset, and no new ones are had for a while."""

    async def fault(random: Random) -> None:
        await random.choice(wires).refuse(random.uniform(0.2, 2.5))

    return fault


def stalls(*wires: Wire) -> Fault:
    """Let nothing pass for a while."""

    async def fault(random: Random) -> None:
        await random.choice(wires).stall(random.uniform(0.2, 2.0))

    return fault


def silences(*wires: Wire, ways: Sequence[Sequence[str]] = _WAYS) -> Fault:
    """Let open connections carry nothing any longer, in one direction or both, without any notice."""

    async def fault(random: Random) -> None:
        random.choice(wires).swallow(*random.choice(ways))

    return fault


def silent_cuts(*wires: Wire) -> Fault:
    """Connections carry nothing for a while, lose it, and are then reset."""

    async def fault(random: Random) -> None:
        wire = random.choice(wires)
        wire.swallow(*random.choice(_WAYS))
        await asyncio.sleep(random.uniform(0.2, 2.0))
        wire.cut()

    return fault


def component_kills(*components: Component) -> Fault:
    """A component loses its connection."""

    async def fault(random: Random) -> None:
        random.choice(components).kill()

    return fault


def component_stalls(*components: Component) -> Fault:
    """A component reads nothing for a while."""

    async def fault(random: Random) -> None:
        await random.choice(components).stall(random.uniform(0.5, 3.0))

    return fault


def restarts(*servers: Peer) -> Fault:
    """SIGTERM, and up again."""

    async def fault(random: Random) -> None:
        await asyncio.to_thread(random.choice(servers).restart)

    return fault


def server_kills(server: Peer) -> Fault:
    """SIGKILL, and up again after a while."""

    async def fault(random: Random) -> None:
        await asyncio.to_thread(server.kill)
        try:
            await asyncio.sleep(random.uniform(0.0, 1.0))
        finally:
            await asyncio.to_thread(server.start)

    return fault


def server_pauses(server: Peer) -> Fault:
    """A process hangs for a while."""

    async def fault(random: Random) -> None:
        server.pause()
        try:
            await asyncio.sleep(random.uniform(0.2, 2.0))
        finally:
            server.resume()

    return fault
