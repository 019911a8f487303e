"""H-44: what waits for a stream that cannot be opened is answered, each once, and nothing is left of it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest

from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway
from tests.interop.peers.site import SERVER
from tests.interop.world import World

WAITING = 50


@pytest.mark.parametrize("way", ["nobody", "silence", "deafness"])
async def test_h_44_every_waiting_stanza_is_answered_once_and_nothing_is_left(
    world: World, start: Starter, way: str
) -> None:
    gateway = start(
        Gateway,
        "h44.test",
        components={"component.h44.test": "secret"},
        options={"peers": {"any": {"connect_seconds": 2}}},
    )
    assert isinstance(gateway, Gateway)
    address = world.address()
    world.nameserver.publish(address, "lost.test")

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (asyncio.sleep(60) if way == "silence" else reader.readuntil(b">"))
        writer.close()

    listener = await asyncio.start_server(deaf, address, SERVER) if way != "nobody" else None
    async with attached(gateway) as component:
        sent = [component.send_message(f"somebody@lost.test/{number}", "hello") for number in range(WAITING)]
        conditions = Counter([await component.expect_error(id_) for id_ in sent])
        assert conditions == {"remote-server-timeout": WAITING}
        await asyncio.sleep(0.2)
        assert not component.inbox
    assert json.loads(gateway.operate("queues", "--json")) == []
    if listener is not None:
        listener.close()
