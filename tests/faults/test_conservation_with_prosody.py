"""Conservation with a Prosody as the other server: on a bad network, and when it dies."""

from __future__ import annotations

import pytest

from tests.faults import faults, log
from tests.faults.border import border
from tests.faults.traffic import under_faults
from tests.interop.fixtures import Starter
from tests.interop.peers import Prosody
from tests.interop.world import World


@pytest.mark.parametrize("bidi", [False, True])
async def test_on_a_bad_network_nothing_is_lost_between_us_and_a_prosody_that_acknowledges(
    world: World, start: Starter, count: int, per_second: float, seed: int, bidi: bool
) -> None:
    async with border(world, start, Prosody, acknowledges=True, bidi=bidi, keep="no") as it:
        await under_faults(it.traffic, it.network, count=count // 2, per_second=per_second / 2, seed=seed)
        it.tell()
        dropped = log.dropped(it.one.server)
        # A stream in both directions is not managed before Prosody has sent something on it.
        assert len(it.there.lost(dropped)) <= (log.named(it.one.server, "other.test") if bidi else 0)
        assert len(it.there.twice) <= log.sent_again(it.one.server, "other.test")  # Prosody does not resume streams
        assert it.there.garbled == it.back.garbled == it.back.twice == []


@pytest.mark.parametrize(
    ("acknowledges", "bidi"),
    [
        (True, False),
        (False, True),
        pytest.param(True, True, marks=pytest.mark.soak),
        pytest.param(False, False, marks=pytest.mark.soak),
    ],
)
async def test_prosody_as_a_peer_that_dies(
    world: World, start: Starter, count: int, per_second: float, seed: int, bidi: bool, acknowledges: bool
) -> None:
    async with border(world, start, Prosody, acknowledges=acknowledges, bidi=bidi, keep="no") as it:
        everything = [
            *it.network,
            faults.silent_cuts(it.one.wire, it.other.wire),
            faults.server_kills(it.other.server),
            faults.server_pauses(it.other.server),
            faults.component_kills(it.one.sink),
            faults.component_stalls(it.one.sink),
        ]
        await under_faults(it.traffic, everything, count=count // 2, per_second=per_second / 2, seed=seed)
        it.tell()
        sent_again = log.sent_again(it.one.server, "other.test")
        dropped = log.dropped(it.one.server)
        # Answers to requests may be lost with Prosody; what it was sent is what we have to account for.
        assert len(it.there.lost(dropped)) <= log.named(it.one.server, "other.test") + sent_again
        assert len({*it.there.twice, *it.there.both(dropped), *it.there.answered_twice}) <= sent_again
        # What Prosody has written to a connection that broke was never ours. What came to us has its end.
        accepted = log.came_in(it.one.server, "source.other.test", "sink.one.test")
        assert accepted - it.back.delivered <= log.bounced(it.one.server, "sink.one.test") + log.named(
            it.one.server, "sink.one.test"
        )
        assert it.back.twice == []
