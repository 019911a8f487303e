"""`python -m benchmarks.outbox`: the cost of keeping a stanza in the outbox, and of settling it.

Each case keeps and settles stanzas through the whole outbox, in its thread beside a real reactor, on the disk of the
given folder. Wall is the time from the first request to the last answer; CPU is that of both threads of the gateway.

Where PostgreSQL is installed, each case is run on its own server too, on the same disk and with fsync, right after
the file; the last column is how many times as long it takes.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater, react

from gateway.outbox.opening import open_outbox
from gateway.outbox.records import OutboxLimits
from gateway.xmpp.addresses import Domain, DomainPair
from tests.interop.peers import NotInstalledError
from tests.support.postgresql import Postgresql

STANZA_BYTES = 340
IN_FLIGHT = 64  # requests made in one turn of the reactor, as in a busy gateway
PAGE = 500


@dataclass(frozen=True, kw_only=True)
class Case:
    """The numbers of pairs and of stanzas in one flush of a pair."""

    title: str
    pairs: int
    flush: int
    key: bool = False
    pages: bool = False  # settled as they are delivered: page by page


CASES = (
    Case(title="50 pairs, 16 a flush", pairs=50, flush=16),
    Case(title="50 pairs, 1 a flush", pairs=50, flush=1),
    Case(title="50 pairs, 64 a flush", pairs=50, flush=64),
    Case(title="50 pairs, 16 a flush, encrypted", pairs=50, flush=16, key=True),
    Case(title="one dead domain, 16 a flush, read and settled by the page", pairs=1, flush=16, pages=True),
    Case(title="one dead domain, 1 a flush, read and settled by the page", pairs=1, flush=1, pages=True),
)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Microseconds per stanza."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        return f"{self.wall:6.1f} /{self.cpu:5.1f}"


async def measured(count: int, work: Callable[[], Any]) -> Figures:
    """Return the cost of some work per stanza."""
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    each = 1e6 / count
    return Figures(wall=(time.perf_counter() - wall) * each, cpu=(time.process_time() - cpu) * each)


async def run(case: Case, count: int, folder: Path, url: str = "sqlite:outbox.db") -> tuple[Figures, Figures]:
    """Return the costs of keeping and of settling."""
    key_file = None
    if case.key:
        key_file = folder / "key"
        key_file.write_bytes(os.urandom(32))
    limits = OutboxLimits(bytes=1 << 40, pair_stanzas=count)
    outbox = open_outbox(url, folder, reactor, limits=limits, key_file=key_file)
    pairs = [DomainPair(Domain(f"{number}.ours.example"), Domain("far.example")) for number in range(case.pairs)]
    stanza = b"<message>%b</message>" % os.urandom(STANZA_BYTES // 2).hex().encode()
    flush = [stanza] * case.flush
    numbers: list[tuple[DomainPair, int]] = []

    async def put() -> None:
        waiting: list[Deferred[Any]] = []
        for number in range(count // case.flush):
            pair = pairs[number % case.pairs]
            kept = outbox.put(pair, flush, accepted=1.0, expires=1e12)
            waiting.append(kept.addCallback(lambda found, pair=pair: numbers.append((pair, found[-1]))))
            if number % IN_FLIGHT == 0:
                await deferLater(reactor, 0)
        await gatherResults(waiting)

    async def settle() -> None:
        waiting = []
        for place, (pair, number) in enumerate(numbers):
            waiting.append(outbox.settle(pair, number))
            if place % IN_FLIGHT == 0:
                await deferLater(reactor, 0)
        await gatherResults(waiting)

    async def deliver() -> None:
        waiting = []
        for pair in pairs:
            after = 0
            while page := await outbox.page(pair, after, PAGE):
                after = page[-1].number
                waiting.append(outbox.settle(pair, after))
        await gatherResults(waiting)

    kept = await measured(count, put)
    settled = await measured(count, deliver if case.pages else settle)
    assert await outbox.pairs() == ()
    await outbox.close()
    return kept, settled


async def main(options: argparse.Namespace) -> None:
    """Run every case, and print a line for each."""
    print(f"{options.stanzas} stanzas of {STANZA_BYTES} bytes; microseconds a stanza, wall / CPU")
    print(f"{'':<60}{'keep':>14}{'settle':>16}")
    with ExitStack() as servers:
        server = started(options.folder, servers)
        for case in CASES:
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                kept, settled = await run(case, options.stanzas, Path(folder))
            print(f"{case.title:<60}{kept!s:>14}{settled!s:>16}", flush=True)
            if server is None:
                continue
            with tempfile.TemporaryDirectory(dir=options.folder) as folder:
                there, gone = await run(case, options.stanzas, Path(folder), server.url())
            times = f"{(there.wall + gone.wall) / (kept.wall + settled.wall):8.1f} times"
            print(f"{'    on PostgreSQL':<60}{there!s:>14}{gone!s:>16}{times}", flush=True)


def started(folder: Path | None, servers: ExitStack) -> Postgresql | None:
    """Return a PostgreSQL server that writes as durably as usual; None where it is not installed."""
    try:
        Postgresql.check_installed()
    except NotInstalledError as missing:
        print(f"without PostgreSQL: {missing}")
        return None
    return servers.enter_context(Postgresql(fsync=True, within=folder))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outbox", description="The cost of keeping a stanza.")
    parser.add_argument("--stanzas", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured (default: where temporary files are)")
    parsed = parser.parse_args()
    react(lambda _: Deferred.fromCoroutine(main(parsed)))
