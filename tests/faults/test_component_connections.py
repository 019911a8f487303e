"""A component with two connections, one of which is killed again and again under load: each stanza has one end.

The other one takes over. What had been written to the lost connection is inside the window that the log names, or, if
it is kept, comes again. Order is not asserted: a conversation that returns to a new connection may overtake what the
other one has not read yet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import pytest

from tests.faults import log
from tests.faults.book import ANSWERED, KEPT, Book
from tests.faults.components import Component
from tests.faults.traffic import send
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import COMPONENT

SECRET = "a secret of the tests"
PER_SECOND = 10_000.0
PAUSE = 0.2
PATIENCE_SECONDS = 90


@asynccontextmanager
async def crew(start: Starter, book: Book, keep: str) -> AsyncIterator[tuple[Peer, Component, Sequence[Component]]]:
    """A gateway, a component that sends, and the two connections of the one that is sent to."""
    options = {
        "domains": {book.target: {"connections": 2, "keep": keep}},
        "limits": {"stall_seconds": 10},
        "log": {"level": "info"},
    }
    domains = dict.fromkeys((book.sender, book.target), SECRET)
    gateway = start(Gateway, "crew.test", components=domains, options=options, verbose=False)
    at = gateway.at(COMPONENT)
    async with (
        Component(book.sender, SECRET, at, book.sender_heard) as source,
        Component(book.target, SECRET, at, book.target_heard) as one,
        Component(book.target, SECRET, at, book.target_heard) as other,
    ):
        yield gateway, source, (one, other)


async def killing(connections: Sequence[Component]) -> None:
    """Kill one connection after the other, for ever; it comes back soon."""
    while True:
        for each in connections:
            await asyncio.sleep(PAUSE)
            each.kill()


@pytest.mark.parametrize(("keep", "kinds"), [("no", ANSWERED), ("all", KEPT)])
async def test_one_is_killed_under_load(start: Starter, count: int, seed: int, keep: str, kinds: tuple) -> None:  # type: ignore[type-arg]
    book = Book("source.crew.test", "sink.crew.test", kinds=kinds, people=50)
    async with crew(start, book, keep) as (gateway, source, connections):
        faults = asyncio.create_task(killing(connections))
        try:
            await send(source, book, 2 * count, PER_SECOND, Random(seed))
            await asyncio.to_thread(
                gateway.wait_until, lambda: log.detached(gateway, book.target) >= 1, PATIENCE_SECONDS, "left by one"
            )
        finally:
            faults.cancel()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while len(book.unaccounted()) > (log.named(gateway, book.target) if keep == "no" else 0):
            assert time.monotonic() < deadline, book.summary()
            await asyncio.sleep(0.2)
        await asyncio.sleep(0.5)  # what comes twice may come late
        assert book.answered_twice == []
        assert book.both() == []
        assert keep != "no" or book.twice == []
