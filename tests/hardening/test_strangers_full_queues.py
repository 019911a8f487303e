"""Queues that strangers fill: a domain that does not take its answers leaves space for what others have to wait for."""

from __future__ import annotations

import asyncio

from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway
from tests.interop.peers.site import SERVER
from tests.interop.probe import client_tls, dial
from tests.interop.scripted import scripted
from tests.interop.world import World

OURS, COMPONENT, STRANGER, FRIEND = "brim.test", "bridge.brim.test", "brimful.test", "afriend.test"
QUEUE_BYTES = 1 << 20
LARGE, SMALL = 100_000, 10


def echoed(size: int) -> str:
    """A message that our service sends back."""
    return f"<message from='a@{STRANGER}' to='x@{OURS}'><body>{'x' * size}</body></message>"


async def test_a_domain_that_takes_no_answers_fills_no_more_than_half(world: World, start: Starter) -> None:
    options = {
        "limits": {"queue_bytes": QUEUE_BYTES},
        "peers": {"any": {"keep": "no", "connect_seconds": 300}},
        "log": {"level": "info"},
    }
    gateway = start(Gateway, OURS, components={COMPONENT: "secret"}, options=options)
    assert isinstance(gateway, Gateway)

    def waiting(domain: str) -> int:
        return sum(each["stanzas"] for each in gateway.ask("queues") if each["target"] == domain)

    async with scripted(world, STRANGER) as mute, scripted(world, FRIEND), dial(gateway.address, SERVER) as probe:
        await probe.prove(client_tls(mute.bundle), STRANGER, OURS)
        await probe.type(echoed(LARGE) * (2 * QUEUE_BYTES // LARGE) + echoed(SMALL) * 1000)
        async with attached(gateway) as component, asyncio.timeout(120):
            while not gateway.logged(f"stanzas for {STRANGER} are answered with resource-constraint"):
                await asyncio.sleep(0.1)
            for number in range(10):
                component.send_message(f"a@{FRIEND}", str(number))
            while waiting(FRIEND) < 10:
                await asyncio.sleep(0.1)
            assert waiting(STRANGER) > 4
