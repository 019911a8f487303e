"""Queues: however many domains cannot be reached, what waits for them stays within [limits] queue_bytes, and ends."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random

import pytest

from tests.faults import log
from tests.faults.book import Heard
from tests.faults.components import Component
from tests.faults.memory import MEGABYTE, growth
from tests.faults.sides import SECRET
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway
from tests.interop.peers.site import COMPONENT
from tests.interop.world import World

# How many domains, how many stanzas for them in a round, the bytes that may wait, and the megabytes that this may take,
# with all that these attempts are made of.
FEW = (500, 2500, 1 * MEGABYTE, 30)
MANY = pytest.param((2000, 10_000, 4 * MEGABYTE, 80), marks=pytest.mark.soak)
ROUNDS = ("first", "second", "third")
CONNECT_SECONDS = 8
PUSHER = "pusher.here.test"


@pytest.mark.parametrize("case", [FEW, MANY], ids=["few", "many"])
async def test_h_44_what_waits_for_very_many_silent_domains_stays_within_its_bytes(
    world: World, start: Starter, case: tuple[int, int, int, int]
) -> None:
    domains, stanzas, queue_bytes, most_megabytes = case
    world.nameserver.publish_records({"hushed.test": "SILENT"})
    options = {
        "limits": {"queue_bytes": queue_bytes},
        "peers": {"any": {"connect_seconds": CONNECT_SECONDS, "keep": "no"}},
        "log": {"level": "debug"},
    }
    server = start(Gateway, "here.test", components={PUSHER: SECRET}, options=options)
    assert isinstance(server, Gateway)
    errors: Counter[str] = Counter()

    def heard(stanza: Heard) -> None:
        errors[stanza.id] += stanza.type == "error"

    async with Component(PUSHER, SECRET, server.at(COMPONENT), heard) as pusher:
        after: list[float] = []
        async with growth(server) as grown:
            for number, name in enumerate(ROUNDS, 1):
                async with asyncio.timeout(180):
                    await push(pusher, name, stanzas, domains)
                    while len(errors) < stanzas * number:
                        await asyncio.sleep(0.1)
                after.append(grown.megabytes)
        refused, late = (log.conditions(server)[each] for each in ("resource-constraint", "remote-server-timeout"))
        told = ", then ".join(f"{megabytes:.1f}" for megabytes in after)
        print(f"\n{refused} refused, {late} waited {CONNECT_SECONDS} s for nothing; grown by {told} MB, round by round")
        assert set(errors.values()) == {1}
        assert refused + late == len(ROUNDS) * stanzas
        assert refused > stanzas / 2
        first, _, third = after
        assert first < most_megabytes
        # What is known of domains is kept for a while; what waited for them is given back, or it would be three times.
        assert third < 2.5 * first
        assert not any(queue["stanzas"] for queue in server.ask("queues"))


async def push(source: Component, name: str, stanzas: int, domains: int) -> None:
    """Messages to one domain after the other."""
    random = Random(name)
    for number in range(stanzas):
        body = "x" * random.randrange(20, 2000)
        to = f"x@d{number % domains}.{name}.hushed.test"
        stanza = f"<message from='s@{PUSHER}' to='{to}' id='{name}-{number}'><body>{body}</body></message>"
        await source.send(stanza.encode())
