"""Back-pressure: who takes nothing stops those that send to it, after a bounded buffer, and nobody else.

When it never comes back it is cut off, and what waits is answered with an error. FAULTS=100000 makes these tests push
for a minute.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from tests.faults.book import Book, Heard
from tests.faults.components import Component
from tests.faults.sides import SECRET
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import COMPONENT

MEGABYTE = 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")
DOMAINS = ("pusher.here.test", "deaf.here.test", "source.here.test", "sink.here.test")


def memory(server: Peer) -> int:
    """The memory that a process has, in bytes."""
    return int(Path(f"/proc/{server.pid}/statm").read_text().split()[1]) * PAGE


def ignore(heard: Heard) -> None:
    """What a component heard does not matter."""


def component(server: Peer, domain: str, heard=ignore) -> Component:
    return Component(domain, SECRET, server.at(COMPONENT), heard)


@asynccontextmanager
async def crowd(start: Starter, stall_seconds: float) -> AsyncIterator[Peer]:
    """A gateway where all four may attach."""
    limits = {"stall_seconds": stall_seconds, "close_seconds": 1}
    yield start(
        Gateway,
        "here.test",
        components=dict.fromkeys(DOMAINS, SECRET),
        verbose=False,
        options={"limits": limits, "log": {"level": "info"}},
    )


async def push(source: Component, book: Book, seconds: float) -> int:
    """Send as fast as it is taken; returns how many went out."""
    random, number = Random(1), 0
    loop = asyncio.get_running_loop()
    ends = loop.time() + seconds
    while loop.time() < ends:
        batch = b"".join(book.stanza(number + each, random) for each in range(50))
        number += 50
        try:
            await asyncio.wait_for(source.send(batch), max(0.01, ends - loop.time()))
        except TimeoutError:
            break
    return number


async def rate(source: Component, sink: Component, seconds: float) -> float:
    """Stanzas a second from one component to another, pushing as fast as they are taken."""
    body = "x" * 200
    stanza = f"<message from='s@{source.domain}' to='t@{sink.domain}' id='1'><body>{body}</body></message>"
    batch = (stanza * 50).encode()
    heard = 0

    def count(_: Heard) -> None:
        nonlocal heard
        heard += 1

    sink.heard = count
    loop = asyncio.get_running_loop()
    began = loop.time()
    while loop.time() < began + seconds:
        await source.send(batch)
    return heard / seconds


async def blocked(pushing: asyncio.Task[int], book: Book) -> None:
    """Wait until nothing more is taken from whoever pushes."""
    sent = -1
    while not pushing.done() and len(book.lines) > sent:
        sent = len(book.lines)
        await asyncio.sleep(0.5)


@pytest.fixture
def seconds(count: int) -> float:
    """For how long to push."""
    return min(60.0, max(4.0, count / 1600))


async def test_h_44_memory_stays_flat_while_a_receiver_takes_nothing_and_others_go_on(
    start: Starter, seconds: float
) -> None:
    async with (
        crowd(start, stall_seconds=120) as server,
        component(server, "source.here.test") as source,
        component(server, "sink.here.test") as sink,
        component(server, "pusher.here.test") as pusher,
        component(server, "deaf.here.test") as deaf,
    ):
        alone = await rate(source, sink, seconds / 4)
        before = memory(server)
        deaf.deafen()
        book = Book(pusher.domain, deaf.domain)
        pushing = asyncio.create_task(push(pusher, book, seconds))
        await blocked(pushing, book)
        meanwhile = await rate(source, sink, seconds / 2)
        pushed = await pushing
        grown = memory(server) - before
        print(f"{pushed} pushed, grown by {grown / MEGABYTE:.1f} MB; others {alone:.0f}/s, meanwhile {meanwhile:.0f}/s")
        assert grown < 64 * MEGABYTE
        assert meanwhile > 0.8 * alone


async def test_h_44_who_never_comes_back_is_cut_off_and_what_waits_is_answered(start: Starter) -> None:
    book = Book("pusher.here.test", "deaf.here.test")
    async with (
        crowd(start, stall_seconds=2) as server,
        component(server, "pusher.here.test", book.sender_heard) as pusher,
        component(server, "deaf.here.test") as deaf,
    ):
        deaf.deafen()
        pushing = asyncio.create_task(push(pusher, book, 10))
        await blocked(pushing, book)
        async with asyncio.timeout(15):
            while sum(line.errors for line in book.lines.values()) < 1000:
                await asyncio.sleep(0.1)
        await pushing
        print(book.summary())
        assert "detached: it took nothing for 2 s" in server.log()
        assert all(line.errors <= 1 for line in book.lines.values())
