"""Queues: however many domains cannot be reached, what waits for them stays within [limits] queue_bytes, and ends."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from random import Random

from tests.faults import log
from tests.faults.book import Heard
from tests.faults.components import Component
from tests.faults.memory import MEGABYTE, growth
from tests.faults.sides import SECRET
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway
from tests.interop.peers.site import COMPONENT
from tests.interop.world import World

DOMAINS = 2000
STANZAS = 30_000
QUEUE_BYTES = 16 * MEGABYTE
CONNECT_SECONDS = 8
PUSHER = "pusher.here.test"


async def test_h_44_what_waits_for_two_thousand_silent_domains_stays_within_its_bytes(
    world: World, start: Starter
) -> None:
    world.nameserver.publish_records({"hushed.test": "SILENT"})
    options = {
        "limits": {"queue_bytes": QUEUE_BYTES},
        "peers": {"any": {"connect_seconds": CONNECT_SECONDS, "keep": "no"}},
        "log": {"level": "debug"},
    }
    server = start(Gateway, "here.test", components={PUSHER: SECRET}, options=options)
    assert isinstance(server, Gateway)
    errors: Counter[str] = Counter()

    def heard(stanza: Heard) -> None:
        errors[stanza.id] += stanza.type == "error"

    async with Component(PUSHER, SECRET, server.at(COMPONENT), heard) as pusher:
        rounds = []
        for name in ("first", "second"):
            async with growth(server) as grown, asyncio.timeout(180):
                await push(pusher, name)
                while len(errors) < STANZAS * (1 + len(rounds)):
                    await asyncio.sleep(0.1)
            rounds.append(grown)
        refused, late = (log.conditions(server)[each] for each in ("resource-constraint", "remote-server-timeout"))
        told = " and then by ".join(f"{grown.megabytes:.1f} MB" for grown in rounds)
        print(f"\n{refused} refused, {late} waited {CONNECT_SECONDS} s in vain; the process grew by {told}")
        assert set(errors.values()) == {1}
        assert refused + late == 2 * STANZAS
        assert refused > STANZAS / 2 > 0
        assert rounds[0].megabytes < 80  # with all that 2,000 attempts are made of
        assert 2 * rounds[1].most < rounds[0].most  # the space of the first round has been given back
        server.wait_until(lambda: json.loads(server.operate("queues", "--json")) == [], 20, "rid of all queues")


async def push(source: Component, name: str) -> None:
    """Messages to one domain after the other."""
    random = Random(name)
    for number in range(STANZAS):
        body = "x" * random.randrange(20, 2000)
        to = f"x@d{number % DOMAINS}.{name}.hushed.test"
        stanza = f"<message from='s@{PUSHER}' to='{to}' id='{name}-{number}'><body>{body}</body></message>"
        await source.send(stanza.encode())
