"""Conservation: every stanza that was accepted comes to one end, whatever fails meanwhile.

Delivered once, answered by an error once, or dropped by a rule that has a name. With stream management (XEP-0198)
between gateways nothing is lost and nothing comes twice; without it, losses are inside the window that the log names.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.request import urlopen

import pytest

from tests.faults.book import Book
from tests.faults.components import Component
from tests.faults.proxy import Wire
from tests.faults.traffic import Fault, under_faults
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import COMPONENT, HTTP, SERVER
from tests.interop.world import World

SECRET = "secret"
PER_SECOND = 1500.0
_DROPPED = re.compile(r'^xmpp_gateway_bounces_total{answered="no".*} (\S+)$', re.MULTILINE)
_NAMED = re.compile(r"the connection to (\S+) broke: up to (\d+) stanzas")


@dataclass(frozen=True)
class Side:
    """One gateway with a component that sends and one that is sent to, and the wire that leads to it."""

    server: Peer
    metrics: str
    wire: Wire
    source: Component
    sink: Component

    def dropped(self) -> int:
        """How many stanzas it did not deliver, and told nobody: errors, results and presence."""
        with urlopen(self.metrics) as page:
            return int(sum(float(count) for count in _DROPPED.findall(page.read().decode())))

    def named(self, *domains: str) -> int:
        """How many stanzas the log names as possibly lost towards these domains."""
        return sum(int(count) for domain, count in _NAMED.findall(self.server.log()) if domain in domains)


@dataclass(frozen=True)
class Border:
    """Two gateways, and the books of what passes between them."""

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


@asynccontextmanager
async def border(world: World, start: Starter, **peers: Any) -> AsyncIterator[Border]:
    """Two gateways that reach each other over wires only; `peers` is what their [peers.any] has besides."""
    there = Book("source.one.test", "sink.other.test")
    back = Book("source.other.test", "sink.one.test")
    async with (
        side(world, start, "one.test", back, there, peers) as one,
        side(world, start, "other.test", there, back, peers) as other,
    ):
        yield Border(one, other, there, back)


@asynccontextmanager
async def side(world: World, start: Starter, name: str, comes: Book, goes: Book, peers: Any) -> AsyncIterator[Side]:
    domains = [f"{part}.{name}" for part in ("source", "sink")]
    pages = world.address()
    server = start(
        Gateway,
        name,
        components=dict.fromkeys(domains, SECRET),
        verbose=False,
        options={
            "peers": {"any": peers},
            "limits": {"stall_seconds": 10},
            "log": {"level": "info"},
            "listen": {"http": [f"tcp:{HTTP}:interface={pages}"]},
        },
    )
    async with Wire(world.address(), SERVER, to=server.at(SERVER)) as wire:
        world.nameserver.publish(wire.address, name, *domains)
        async with (
            Component(domains[0], SECRET, server.at(COMPONENT), goes.sender_heard) as source,
            Component(domains[1], SECRET, server.at(COMPONENT), comes.target_heard) as sink,
        ):
            yield Side(server, f"http://{pages}:{HTTP}/metrics", wire, source, sink)


# Faults.


def cuts(*wires: Wire) -> Fault:
    async def fault(random: Random) -> None:
        random.choice(wires).cut()

    return fault


def refusals(*wires: Wire) -> Fault:
    async def fault(random: Random) -> None:
        await random.choice(wires).refuse(random.uniform(0.2, 2.5))

    return fault


def stalls(*wires: Wire) -> Fault:
    async def fault(random: Random) -> None:
        await random.choice(wires).stall(random.uniform(0.2, 2.0))

    return fault


def component_kills(*components: Component) -> Fault:
    async def fault(random: Random) -> None:
        random.choice(components).kill()

    return fault


def component_stalls(*components: Component) -> Fault:
    async def fault(random: Random) -> None:
        await random.choice(components).stall(random.uniform(0.5, 3.0))

    return fault


def network(border: Border) -> list[Fault]:
    """Everything that happens to networks."""
    wires = (border.one.wire, border.other.wire)
    return [cuts(*wires), cuts(*wires), refusals(*wires), stalls(*wires)]


# Tests.


@pytest.mark.parametrize("bidi", [False, True])
async def test_nothing_is_lost_and_nothing_comes_twice_between_gateways_that_acknowledge(
    world: World, start: Starter, count: int, seed: int, bidi: bool
) -> None:
    async with border(world, start, bidi=bidi) as it:
        await under_faults(it.traffic, network(it), count=count // 2, per_second=PER_SECOND, seed=seed)
        for book in it.books:
            print(book.summary())
        for book in it.books:
            assert (book.twice, book.both, book.answered_twice) == ([], [], [])
        undelivered = sum(len(book.open) + len(book.dropped) for book in it.books)
        assert undelivered <= it.one.dropped() + it.other.dropped()
        assert it.one.wire.opened + it.other.wire.opened > 2
