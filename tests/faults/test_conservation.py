"""Conservation: every stanza that was accepted comes to one end, whatever fails meanwhile.

Delivered once, answered by an error once, or dropped by a rule that has a name. With stream management (XEP-0198)
between gateways nothing is lost and nothing comes twice; without it, losses are inside the window that the log names.

Each test prints its account. The full run: FAULTS=100000 pytest -s tests/faults
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.operations.control.client import ask
from tests.faults import faults, log
from tests.faults.book import Book
from tests.faults.components import Component
from tests.faults.proxy import BACK
from tests.faults.sides import Side, side
from tests.faults.traffic import under_faults
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Prosody
from tests.interop.world import World

PER_SECOND = 1500.0  # each way, at most
LEAST_SECONDS = 6  # that faults have to happen in


@dataclass(frozen=True)
class Border:
    """Two servers, of which the first is a gateway, and the books of what passes between them."""

    one: Side
    other: Side
    there: Book
    back: Book

    @property
    def books(self) -> tuple[Book, Book]:
        return self.there, self.back

    @property
    def traffic(self) -> list[tuple[Component, Book]]:
        return [(self.one.source, self.there), (self.other.source, self.back)]

    @property
    def network(self) -> list[faults.Fault]:
        """Everything that happens to networks."""
        wires = (self.one.wire, self.other.wire)
        return [faults.cuts(*wires), faults.cuts(*wires), faults.refusals(*wires), faults.stalls(*wires)]

    @property
    def dropped(self) -> set[str]:
        return log.dropped(self.one.server) | log.dropped(self.other.server)

    @property
    def unaccounted(self) -> list[str]:
        """What has no end that anybody has heard of, and that no log names as dropped by rule."""
        dropped = self.dropped
        return [id_ for book in self.books for id_ in book.unaccounted(dropped)]

    @property
    def came_twice(self) -> list[str]:
        """What came to more than one end."""
        dropped = self.dropped
        return [id_ for book in self.books for id_ in (*book.twice, *book.both(dropped), *book.answered_twice)]

    @property
    def altered(self) -> list[str]:
        """What did not come as it was sent, or not in the order in which it was sent."""
        return [id_ for book in self.books for id_ in (*book.garbled, *book.overtaken)]

    def tell(self) -> None:
        """Print the account."""
        dropped = self.dropped
        print()
        for book in self.books:
            print(book.summary(dropped))
        print(self._named(self.one, "other.test", "sink.one.test"))
        print(self._named(self.other, "one.test", "sink.other.test"))
        print(f"connections: {self.one.wire.opened + self.other.wire.opened}")

    def _named(self, side: Side, peer: str, sink: str) -> str:
        server = side.server
        lost = f"{log.named(server, peer)} to {peer} and {log.named(server, sink)} to {sink}"
        return f"{server.site.domains[0]} names as perhaps lost {lost}; it sent {log.sent_again(server, peer)} again"


@pytest.fixture
def per_second(count: int) -> float:
    """How fast each side sends."""
    return min(PER_SECOND, count / 2 / LEAST_SECONDS)


@asynccontextmanager
async def border(
    world: World, start: Starter, kind: type[Gateway | Prosody] = Gateway, *, acknowledges: bool = True, **peers: Any
) -> AsyncIterator[Border]:
    """A gateway and another server that reach each other over wires only; `peers` is what [peers.any] has besides."""
    there = Book("source.one.test", "sink.other.test")
    back = Book("source.other.test", "sink.one.test")
    peers["stream_management"] = acknowledges
    async with (
        side(world, start, Gateway, "one.test", back, there, **peers) as one,
        side(world, start, kind, "other.test", there, back, **peers) as other,
    ):
        yield Border(one, other, there, back)


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
    """What is held back ends in the gateway's outbox, where as many are found as were neither heard of nor dropped."""
    async with border(world, start, bidi=True, filters=RULES) as it:
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
    async with border(world, start, acknowledges=False, bidi=False) as it:
        network = [*it.network, faults.silent_cuts(it.one.wire, it.other.wire)]
        await under_faults(it.traffic, network, count=count // 2, per_second=per_second, seed=seed)
        it.tell()
        assert len(it.unaccounted) <= log.named(it.one.server, "other.test") + log.named(it.other.server, "one.test")
        assert it.came_twice == []


async def test_components_that_die_or_stall_lose_only_what_the_log_names(
    world: World, start: Starter, count: int, per_second: float, seed: int
) -> None:
    async with border(world, start) as it:
        sinks = (it.one.sink, it.other.sink)
        deaths = [faults.component_kills(*sinks), faults.component_stalls(*sinks)]
        await under_faults(it.traffic, deaths, count=count // 2, per_second=per_second, seed=seed)
        it.tell()
        assert len(it.unaccounted) <= log.named(it.one.server, "sink.one.test") + log.named(
            it.other.server, "sink.other.test"
        )
        assert it.came_twice == []


async def test_a_gateway_that_is_stopped_loses_nothing_that_it_accepted(
    world: World, start: Starter, count: int, per_second: float, seed: int
) -> None:
    async with border(world, start) as it:
        stops = [faults.restarts(it.one.server, it.other.server)]
        await under_faults(it.traffic, stops, count=count // 2, per_second=per_second / 3, seed=seed, pause=(1.0, 3.0))
        it.tell()
        assert it.unaccounted == []
        assert it.came_twice == []


async def test_a_gateway_that_is_killed_loses_what_it_had_in_hand_and_nothing_else(
    world: World, start: Starter, count: int, per_second: float, seed: int
) -> None:
    async with border(world, start) as it:
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


@pytest.mark.parametrize("bidi", [False, True])
async def test_on_a_bad_network_nothing_is_lost_between_us_and_a_prosody_that_acknowledges(
    world: World, start: Starter, count: int, per_second: float, seed: int, bidi: bool
) -> None:
    async with border(world, start, Prosody, acknowledges=True, bidi=bidi) as it:
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
    async with border(world, start, Prosody, acknowledges=acknowledges, bidi=bidi) as it:
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
