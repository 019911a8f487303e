"""Traffic under faults: numbered stanzas both ways, while a seeded schedule breaks things."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

from tests.faults.book import Book
from tests.faults.components import Component
from tests.faults.faults import Fault

BATCH = 20
SETTLE_SECONDS = 90.0
QUIET_SECONDS = 14.0  # longer than a gateway of these tests waits for a server that is silent, or not there
DOUBLES_SECONDS = 0.5  # what comes twice may come late
KEPT_SECONDS = 40.0  # longer than it waits with what it keeps, until it tries a server for the third time


async def send(component: Component, book: Book, count: int, per_second: float, random: Random) -> None:
    """Send this many stanzas in batches of random size, at about that rate."""
    loop = asyncio.get_running_loop()
    began, number = loop.time(), 0
    while number < count:
        size = min(random.randrange(1, BATCH), count - number)
        batch = b"".join(book.stanza(number + each, random) for each in range(size))
        await component.send(batch)
        number += size
        ahead = began + number / per_second - loop.time()
        if ahead > 0:
            await asyncio.sleep(ahead)


async def break_things(faults: Sequence[Fault], random: Random, *, pause: tuple[float, float]) -> None:
    """One fault after another, for ever, with pauses between them."""
    while True:
        await asyncio.sleep(random.uniform(*pause))
        await random.choice(faults)(random)


async def settle(books: Sequence[Book]) -> None:
    """Wait until every stanza has come to an end, or nothing more has happened for some time; then for late doubles."""
    loop = asyncio.get_running_loop()
    deadline, quiet_since = loop.time() + SETTLE_SECONDS, loop.time()
    quiet = KEPT_SECONDS if any(book.is_kept for book in books) else QUIET_SECONDS
    missing = doubles = -1
    while missing or loop.time() < quiet_since + DOUBLES_SECONDS:
        if loop.time() >= min(deadline, quiet_since + quiet):
            break
        before = missing, doubles
        missing = sum(len(book.unaccounted()) for book in books)
        doubles = sum(book.doubles for book in books)
        if (missing, doubles) != before:
            quiet_since = loop.time()
        await asyncio.sleep(0.2)


async def under_faults(
    traffic: Sequence[tuple[Component, Book]],
    faults: Sequence[Fault],
    *,
    count: int,
    per_second: float,
    seed: int,
    pause: tuple[float, float] = (0.2, 1.0),
) -> None:
    """Send `count` stanzas over each way while things break; then wait until everything has come to an end."""
    random = Random(seed)
    breaking = asyncio.create_task(break_things(faults, Random(random.random()), pause=pause))
    try:
        await asyncio.gather(
            *(send(component, book, count, per_second, Random(random.random())) for component, book in traffic)
        )
    finally:
        breaking.cancel()
        await asyncio.wait([breaking])
        if not breaking.cancelled() and (problem := breaking.exception()):
            raise problem
    await settle([book for _, book in traffic])
