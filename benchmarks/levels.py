"""`python -m benchmarks.levels`: the cost of a stanza on its way to a server that is up, with each level of `keep`.

One process does the same work with each level in turn, many times, and takes the least of each: bytes of many domain
pairs are parsed and routed, and leave on streams whose other end acknowledges everything in the next turn of the
reactor. TLS and sockets are left out, because they are the same for all levels. CPU is that of all threads.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.internet.task import deferLater, react

from gateway.federation.backoff import Backoff, Waits
from gateway.federation.route import RemoteRoute, RouteTerms
from gateway.federation.session import StreamUser
from gateway.outbox.backlog_owner import KeepTerms
from gateway.outbox.keeper import Keeper
from gateway.outbox.opening import open_outbox
from gateway.outbox.records import OutboxLimits
from gateway.routing.outflow import QueueSpace
from gateway.routing.policy import DomainRule, Domains
from gateway.routing.router import Router
from gateway.stream.budget import Budget
from gateway.stream.codec import Codec
from gateway.tap import spare_the_collector
from gateway.xmpp.addresses import AddressCache, Domain, DomainPair
from gateway.xmpp.stanzas import Stanza

LEVELS = ("no", "waiting", "all")
OURS = Domain("ours.example")
PAIRS = 50
FLUSH = 16  # stanzas of a pair in one read
STANZA_BYTES = 340
MESSAGE = "<message from='a@{ours}/r' to='b@{far}' type='chat' id='{id}'><body>{body}</body></message>"


class Sink:
    """A stream whose other end acknowledges everything that it was sent, when told to."""

    is_managed = True
    was_resumed = False
    largest = None
    has_room = True

    def __init__(self, sent: Callable[[int], None]) -> None:
        self.written: list[Stanza] = []
        self._sent = sent
        self._told: Callable[[Sequence[Stanza]], None] = lambda stanzas: None

    def carry(self, pair: DomainPair, user: StreamUser) -> None:
        """Accept any sender."""

    def watch(self, pair: DomainPair, acknowledged: Callable[[Sequence[Stanza]], None]) -> None:
        """Report what is acknowledged."""
        self._told = acknowledged

    def room(self) -> None:
        """Return None: there is always room."""

    def send(self, batch: Sequence[Stanza], data: bytes) -> None:
        """Take a batch."""
        self.written += batch
        self._sent(len(batch))

    def acknowledge(self) -> None:
        """Acknowledge what was written."""
        written, self.written = self.written, []
        self._told(written)


class Level:
    """A router with routes to many domains, and an outbox."""

    def __init__(self, level: str, folder: Path) -> None:
        self.least = float("inf")
        self._keeper = Keeper(reactor, time.time)
        limits = OutboxLimits(bytes=1 << 40)
        self.outbox = open_outbox(f"sqlite:{level}.db", folder, reactor, limits=limits)
        self._keeper.outbox = self.outbox
        self._terms = RouteTerms(keep=KeepTerms(level=level))
        self._router = Router(Domains({OURS: DomainRule()}), self._route, lambda notice: None)
        self._backoff = Backoff(Waits(first=15), Random(1))
        self._space = QueueSpace(1 << 30)
        self._routes: dict[DomainPair, RemoteRoute] = {}
        self._sinks: list[Sink] = []
        self._unsent = 0
        self._all_sent: Deferred[None] = Deferred()
        self._codec = Codec(Budget(), AddressCache())
        self._codec.feed(b"<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'>")
        self._codec.take(1)
        self._reads = [self._read(number) for number in range(PAIRS)]

    @staticmethod
    def _read(number: int) -> tuple[Domain, bytes]:
        far = Domain(f"{number}.far.example")
        body = "x" * (STANZA_BYTES - len(MESSAGE))
        return far, "".join(MESSAGE.format(ours=OURS, far=far, id=id, body=body) for id in range(FLUSH)).encode()

    def _route(self, pair: DomainPair) -> RemoteRoute:
        route = self._routes.get(pair)
        if route is None:
            route = self._routes[pair] = RemoteRoute(
                pair,
                self._terms,
                open_stream=self._open,
                router=self._router,
                backoff=self._backoff,
                space=self._space,
                clock=reactor,  # type: ignore[arg-type]
                publish=lambda notice: None,
                at_rest=lambda route: None,
                keeper=self._keeper,
            )
        return route

    def _open(self, pair: DomainPair) -> Deferred[Any]:
        self._sinks.append(Sink(self._sent))
        return succeed(self._sinks[-1])

    def _sent(self, count: int) -> None:
        self._unsent -= count
        if not self._unsent:
            self._all_sent.callback(None)

    async def round(self, stanzas: int) -> float:
        """Pass stanzas, and return the microseconds of processor time of each."""
        began = time.process_time()
        turns = stanzas // (PAIRS * FLUSH)
        for _ in range(turns):
            waits = []
            self._unsent, self._all_sent = PAIRS * FLUSH, Deferred()
            for _, data in self._reads:
                self._codec.feed(data)
                while items := self._codec.take(-1):
                    self._router.route_all(items)
                if (wait := self._router.flush()) is not None:
                    waits.append(wait)
            await self._all_sent
            await deferLater(reactor, 0)
            for sink in self._sinks:
                sink.acknowledge()
            await gatherResults(waits)
        while self.outbox.stanzas:
            await deferLater(reactor, 0.01)
        used = 1e6 * (time.process_time() - began) / (turns * PAIRS * FLUSH)
        self.least = min(self.least, used)
        return used


async def main(options: argparse.Namespace) -> None:
    """Measure the levels in turns, and print the least of each."""
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        levels = {name: Level(name, Path(folder)) for name in LEVELS}
        spare_the_collector()  # as the service does
        for _ in range(options.rounds):
            for level in levels.values():
                await level.round(options.stanzas)
        print(f"{STANZA_BYTES} bytes, {PAIRS} domain pairs, {FLUSH} stanzas a read; microseconds of CPU a stanza")
        plain = levels["no"].least
        for name, level in levels.items():
            print(f"  keep = {name!r:<10} {level.least:6.2f}  {level.least - plain:+6.2f}  {level.least / plain:6.3f}")
            await level.outbox.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.levels", description="The cost of each level of `keep`."
    )
    parser.add_argument("--stanzas", type=int, default=16_000, help="in one round")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured (default: where temporary files are)")
    parsed = parser.parse_args()
    react(lambda _: Deferred.fromCoroutine(main(parsed)))
