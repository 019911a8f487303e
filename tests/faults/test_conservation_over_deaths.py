"""Conservation over the end of a gateway: stopped in good order, or killed."""

from __future__ import annotations

from tests.faults import faults, log
from tests.faults.border import border
from tests.faults.traffic import under_faults
from tests.interop.fixtures import Starter
from tests.interop.world import World


async def test_a_gateway_that_is_stopped_loses_nothing_that_it_accepted(
    world: World, start: Starter, count: int, per_second: float, seed: int
) -> None:
    async with border(world, start, keep="no") as it:
        stops = [faults.restarts(it.one.server, it.other.server)]
        await under_faults(it.traffic, stops, count=count // 2, per_second=per_second / 3, seed=seed, pause=(1.0, 3.0))
        it.tell()
        assert it.unaccounted == []
        assert it.came_twice == []


async def test_a_gateway_that_is_killed_loses_what_it_had_in_hand_and_nothing_else(
    world: World, start: Starter, count: int, per_second: float, seed: int
) -> None:
    async with border(world, start, keep="no") as it:
        kills = [faults.server_kills(it.other.server)]
        await under_faults(it.traffic, kills, count=count // 2, per_second=per_second / 3, seed=seed, pause=(2.0, 4.0))
        it.tell()
        assert "it acknowledged nothing" not in it.one.server.log()  # what is sent again is counted, too
        in_hand = log.in_hand(it.other.server, 1.0)
        dropped = it.dropped
        # What it had acknowledged and not handed on; what it had not acknowledged is sent again, and may come twice.
        assert len(it.there.unaccounted(dropped)) <= in_hand
        assert len(it.there.twice) <= log.sent_again(it.one.server, "other.test")
        # What its component has written to it, and it has not read, was never accepted.
        accepted = log.came_in(it.other.server, "source.other.test", "others")
        assert accepted - (len(it.back.lines) - len(it.back.unaccounted(dropped))) <= in_hand
        assert it.back.twice == []
