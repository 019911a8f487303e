"""Conservation with an outbox: a gateway that keeps everything before it sends it is killed, and nothing is lost.

Its client sends again what was not acknowledged, so that every message that was ever written comes to an end. Messages
come twice only inside two windows: what the client sent again, and what was in flight when the gateway was killed or a
connection broke. The full run: FAULTS=100000 pytest -s tests/faults/test_outbox.py
"""

from __future__ import annotations

from random import Random

import pytest

from gateway.outbox.settlement import GRACE_SECONDS
from gateway.outbox.window import MOST
from tests.faults import faults
from tests.faults.book import KEPT, Book
from tests.faults.clients import Client
from tests.faults.sides import side
from tests.faults.traffic import under_faults
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway
from tests.interop.peers.site import CLIENT_TLS
from tests.interop.world import World

PASSWORD = "wherefore art thou"
PER_SECOND = 1500.0
LEAST_SECONDS = 6  # that kills have to happen in


@pytest.mark.parametrize("acknowledges", [True, False])
async def test_gateway_that_keeps_everything_is_killed_and_every_stanza_has_its_end(
    world: World, start: Starter, count: int, seed: int, acknowledges: bool
) -> None:
    there = Book("one.test", "sink.other.test", KEPT, is_kept=True)
    unused = Book("source.other.test", "s.one.test")
    kills: list[int] = []
    count //= 2
    options = {
        "domains": {"one.test": {"serve": "im"}},
        "peers": {"any": {"keep": "all", "stream_management": acknowledges}},
        "limits": {"stall_seconds": 10},
    }
    one = start(Gateway, "one.test", options=options, verbose=False)
    one.register("s@one.test", PASSWORD)
    async with (
        side(world, start, Gateway, "other.test", there, unused, stream_management=acknowledges, keep="no") as other,
        Client("s@one.test", PASSWORD, one.at(CLIENT_TLS), there.sender_heard) as client,
    ):
        per_second = min(PER_SECOND, count / LEAST_SECONDS)
        kill = faults.server_kills(one)

        async def kill_and_count(random: Random) -> None:
            kills.append(client.sent_again)
            await kill(random)

        things = [kill_and_count, kill_and_count, faults.cuts(other.wire)]
        await under_faults([(client, there)], things, count=count, per_second=per_second, seed=seed, pause=(0.5, 2.0))
    breaks = len(kills) + other.wire.opened
    # A side without acknowledgements is sent again what it read before a break, until its grace is over.
    at_a_break = MOST if acknowledges else MOST + int(GRACE_SECONDS * per_second)
    allowed = breaks * at_a_break + client.sent_again
    print(
        f"\n{there.summary()}\n{len(kills)} kills, {other.wire.opened} connections; the client sent {client.sent_again}"
        f" again; {there.doubles} deliveries more than stanzas, at most {allowed} are allowed"
    )
    assert kills
    assert there.unaccounted() == []
    assert there.both() == there.garbled == []
    assert there.doubles <= allowed
