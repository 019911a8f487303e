"""Conservation: every stanza that was accepted comes to one end, whatever fails meanwhile.

Delivered once, answered by an error once, or dropped by a rule that has a name. With stream management (XEP-0198)
between gateways nothing is lost and nothing comes twice; without it, losses are inside the window that the log names.

Each test prints its account. The full run: FAULTS=100000 pytest -s tests/faults
"""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.operations.control.client import ask
from tests.faults import faults, log
from tests.faults.border import border
from tests.faults.proxy import BACK
from tests.faults.traffic import under_faults
from tests.interop.fixtures import Starter
from tests.interop.world import World


@pytest.mark.parametrize("bidi", [False, True])
async def test_nothing_is_lost_and_nothing_comes_twice_between_gateways_that_acknowledge(
    world: World, start: Starter, count: int, per_second: float, seed: int, bidi: bool
) -> None:
    async with border(world, start, bidi=bidi) as it:
        network = [*it.network, faults.silences(it.one.wire, it.other.wire)]
        await under_faults(it.traffic, network, count=count // 2, per_second=per_second, seed=seed)
        it.tell()
        assert it.unaccounted == []
        assert it.came_twice == []
        assert it.altered == []
        assert it.one.wire.opened + it.other.wire.opened > 2


RULES = [
    {"name": "mark", "when": {"larger_than": 300}, "then": "mark:large"},
    {"name": "trial", "when": {"kind": "message"}, "then": "drop", "dry_run": True},
    {"name": "report", "when": {"marked": "large", "type": "chat"}, "then": "report"},
    {"name": "drop", "when": {"direction": "in", "type": ["headline", "get"]}, "then": "drop"},
    {"name": "bounce", "when": {"type": ["groupchat", "set", "error"]}, "then": "bounce:not-acceptable"},
    {"name": "no room", "when": {"direction": "out", "type": "subscribe"}, "then": "hold"},
    {"name": "rate", "when": {"rate": "20/second per pair", "kind": "message"}, "then": "bounce:resource-constraint"},
    {"name": "slow", "when": {"direction": "in"}, "then": "tests.faults.slow_filter.SlowFilter"},
]


async def test_with_rules_of_every_kind_each_stanza_still_has_one_end(
    world: World, start: Starter, count: int, per_second: float, seed: int
) -> None:
    """The outbox has exactly the stanzas that were held back: neither delivered, answered nor dropped."""
    async with border(world, start, bidi=True, filters=RULES, keep="no") as it:
        network = [*it.network, faults.silences(it.one.wire, it.other.wire)]
        await under_faults(it.traffic, network, count=count // 2, per_second=per_second, seed=seed)
        it.tell()
        held = [
            stanza
            for side in (it.one, it.other)
            for stanza in json.loads(await asyncio.to_thread(side.server.operate, "held", "--json"))  # type: ignore[attr-defined]
        ]
        assert len(it.unaccounted) == len(held) > 0
        assert it.came_twice == []
        assert it.altered == []
        told = await asyncio.to_thread(ask, it.one.server.folder / "state", "filters")
        assert [rule["name"] for rule in told["rules"] if not rule["counts"]] == []


async def test_what_was_handled_comes_once_though_nobody_heard_its_acknowledgement(
    world: World, start: Starter, count: int, per_second: float, seed: int
) -> None:
    async with border(world, start, bidi=False) as it:
        unheard = [faults.silences(it.one.wire, it.other.wire, ways=[[BACK]])]
        await under_faults(it.traffic, unheard, count=count // 2, per_second=per_second, seed=seed)
        it.tell()
        assert it.unaccounted == []
        assert it.came_twice == []
        assert it.altered == []


async def test_losses_without_acknowledgements_are_inside_the_window_that_the_log_names(
    world: World, start: Starter, count: int, per_second: float, seed: int
) -> None:
    async with border(world, start, acknowledges=False, bidi=False, keep="no") as it:
        network = [*it.network, faults.silent_cuts(it.one.wire, it.other.wire)]
        await under_faults(it.traffic, network, count=count // 2, per_second=per_second, seed=seed)
        it.tell()
        assert len(it.unaccounted) <= log.named(it.one.server, "other.test") + log.named(it.other.server, "one.test")
        assert it.came_twice == []


async def test_components_that_die_or_stall_lose_only_what_the_log_names(
    world: World, start: Starter, count: int, per_second: float, seed: int
) -> None:
    async with border(world, start, keep="no") as it:
        sinks = (it.one.sink, it.other.sink)
        deaths = [faults.component_kills(*sinks), faults.component_stalls(*sinks)]
        await under_faults(it.traffic, deaths, count=count // 2, per_second=per_second, seed=seed)
        it.tell()
        assert len(it.unaccounted) <= log.named(it.one.server, "sink.one.test") + log.named(
            it.other.server, "sink.other.test"
        )
        assert it.came_twice == []
