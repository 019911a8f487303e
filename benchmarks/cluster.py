"""Two gateways as one, against one: `python -m benchmarks.cluster [--quick]`. It takes two to four minutes.

Two nodes with NATS between them serve a component each, and one service between them. In one run, in turns:

    stays       stanzas for the component at the node where they come in: at one node, and at both at once
    crosses     stanzas for the component at the other node
    handshakes  streams from another server, proved by certificate: at one node, and at both at once
    alone       both of these at two gateways that know nothing of each other: what the machine gives to two processes
    latency     a thousand stanzas a second that stay, and that cross
    takeover    from the death of the node that runs the service until the other node runs it

The load needs processors too. So a rate is given twice: as it was, and for each node on its own core (the work by
the processor time of the busier node). Two processes also slow each other down, because they share caches and cores;
that shows in both, so the gain of two nodes stands beside that of two gateways alone. Every figure is the best of its
rounds, except for latency: there it is the median of them.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.figures import percentile
from benchmarks.load.actors import Component, Opener, ServerSender
from benchmarks.load.remote import Remote
from benchmarks.load.streams import Credentials, Place
from benchmarks.meter import Meter
from benchmarks.traffic import Traffic, addresses
from gateway.cluster.shards import placement, shard_of
from tests.interop.nodes import Cluster
from tests.interop.peers import Gateway
from tests.interop.peers.gateway import ECHO
from tests.interop.peers.site import COMPONENT, SERVER
from tests.interop.world import World

DOMAIN, REMOTE, SECRET = "bench.test", "remote.test", "benchmark"
NODES, LONE = "ab", "cd"
AT = {"a": "a.bench.test", "b": "b.bench.test", "c": "rooms.c.test", "d": "rooms.d.test"}
MICRO, MILLI = 1e6, 1e3
PER_SECOND = 1000
TAKEOVER_SECONDS = 60.0
DROP_SECONDS = 0.5
MOST_STREAMS = 20_000
LIMITS = {"streams_per_address": MOST_STREAMS, "unauthenticated_streams": MOST_STREAMS, "connections_per_minute": 0}


@dataclass(frozen=True, kw_only=True)
class Work:
    """How much is done in a round, and how many rounds there are."""

    rounds: int = 5
    stanzas: int = 30_000
    handshakes: int = 200
    paced: int = 5000


QUICK = Work(rounds=1, stanzas=2000, handshakes=10, paced=500)


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What some work has cost: wall time, and the processor time of each node and of NATS."""

    count: int
    seconds: float
    nodes: Mapping[str, float]
    nats: float

    @property
    def rate(self) -> float:
        """The work in a second, as it was."""
        return self.count / self.seconds

    @property
    def rate_on_own_cores(self) -> float:
        """The work in a second, if each node had its own core."""
        return self.count / max(self.nodes.values())

    @property
    def cpu(self) -> float:
        """Processor time for one piece of work, at all nodes and NATS, in seconds."""
        return (sum(self.nodes.values()) + self.nats) / self.count


class Pair:
    """The two nodes, a component at each, and another server with a stream to each of them for each component.

    Beside them are two gateways alone, each with a component, and with a stream from that server.
    """

    def __init__(self, folder: Path, work: Work) -> None:
        self.work = work
        self._ends = ExitStack()
        self._folder = folder
        self.once = next(name for name in _names() if placement(frozenset(NODES))[shard_of(name)] == "b")

    def __enter__(self) -> Pair:
        world = self._ends.enter_context(World(self._folder))
        options = {"limits": LIMITS, "domains": {self.once: {"serve": ECHO, "run": "once"}}}
        components = {AT[node]: SECRET for node in NODES}
        cluster = Cluster(world, DOMAIN, nodes=NODES, components=components, options=options, verbose=False)
        self.cluster = self._ends.enter_context(cluster)
        self._gateways = {**cluster.nodes, **{name: self._ends.enter_context(_alone(world, name)) for name in LONE}}
        self.credentials = Credentials(
            bundle=world.bundle(world.authority.issue(REMOTE)), authorities=world.authorities
        )
        self._meters = {name: Meter(each.pid) for name, each in self._gateways.items()}
        self._nats = Meter(cluster.nats.pid)
        self.components = {node: self._remote(Component, self._door(node, COMPONENT, AT[node]), SECRET) for node in AT}
        for node in NODES:
            cluster.serves(AT[node], node)
        ways = [*((node, at) for node in NODES for at in NODES), *((name, name) for name in LONE)]
        self.senders = {
            (node, at): self._remote(ServerSender, self._door(node, SERVER, AT[at]), [REMOTE], self.credentials)
            for node, at in ways
        }
        self.openers = {
            node: self._remote(Opener, self._door(node, SERVER, AT[node]), self.credentials, True) for node in AT
        }
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ends.close()

    def _remote(self, factory: Callable[..., Any], *arguments: Any) -> Remote:
        return self._ends.enter_context(Remote(factory, *arguments))

    def _door(self, node: str, port: int, domain: str) -> Place:
        return Place(address=self._gateways[node].address, port=port, domain=domain)

    # -- work --------------------------------------------------------------------------------------------------------

    def pass_stanzas(self, *ways: tuple[str, str]) -> Spent:
        """Send stanzas on each of these ways at once: into a node, to the component at a node."""
        count = self.work.stanzas
        for way in ways:
            recipients = addresses(AT[way[1]])
            self.senders[way].call("prepare", Traffic(count=count, senders=addresses(REMOTE), recipients=recipients))

        def work() -> None:
            for way in ways:
                self.components[way[1]].begin("take", count)
                self.senders[way].begin("send")
            for way in ways:
                self.senders[way].collect()
                self.components[way[1]].collect()

        return self._measured(count * len(ways), work, {way[0] for way in ways} | {way[1] for way in ways})

    def shake_hands(self, *nodes: str) -> Spent:
        """Open streams to each of these nodes at once."""

        def work() -> None:
            for node in nodes:
                self.openers[node].begin("open", [REMOTE] * self.work.handshakes)
            for node in nodes:
                self.openers[node].collect()

        spent = self._measured(self.work.handshakes * len(nodes), work, set(nodes))
        for node in nodes:
            self.openers[node].call("hang_up")
        time.sleep(DROP_SECONDS)
        return spent

    def latencies(self, node: str, at: str) -> Sequence[float]:
        """Return the seconds that stanzas are under way when a thousand come in a second."""
        recipients = addresses(AT[at])
        traffic = Traffic(count=self.work.paced, senders=addresses(REMOTE), recipients=recipients)
        self.components[at].begin("take_stamped", traffic.count)
        self.senders[node, at].call("send_paced", traffic, PER_SECOND)
        return list(self.components[at].collect().value)

    def takeover(self) -> float:
        """Kill the node that runs the service; return after how many seconds the other one runs it."""
        self.cluster.serves(self.once, "b")
        self.cluster["b"].kill()
        died = time.monotonic()
        while self.cluster["a"].ask("status")["cluster"]["places"][self.once] != ["a"]:
            if time.monotonic() - died > TAKEOVER_SECONDS:
                raise TimeoutError(f"no node runs {self.once} after {TAKEOVER_SECONDS:g} s")
            time.sleep(0.02)
        return time.monotonic() - died

    def _measured(self, count: int, work: Callable[[], None], nodes: Collection[str]) -> Spent:
        meters = {name: self._meters[name] for name in nodes}
        before = {name: meter.cpu_seconds() for name, meter in meters.items()}
        nats, began = self._nats.cpu_seconds(), time.perf_counter()
        work()
        return Spent(
            count=count,
            seconds=time.perf_counter() - began,
            nodes={name: meter.cpu_seconds() - before[name] for name, meter in meters.items()},
            nats=self._nats.cpu_seconds() - nats,
        )


def _alone(world: World, name: str) -> Gateway:
    """Return a gateway without a cluster, with a component."""
    site = world.site(f"{name}.test", components={AT[name]: SECRET}, options={"limits": LIMITS}, verbose=False)
    return Gateway(site, world.folder / f"alone-{name}")


def _names() -> Sequence[str]:
    return [f"once{number}.{DOMAIN}" for number in range(100)]


def measure(pair: Pair) -> dict[str, float]:
    """Do everything in turns, after one round that does not count, and return the figures."""
    rounds = pair.work.rounds
    works: dict[str, Callable[[], Spent]] = {
        "stays, one node": lambda: pair.pass_stanzas(("a", "a")),
        "stays, two nodes": lambda: pair.pass_stanzas(("a", "a"), ("b", "b")),
        "crosses": lambda: pair.pass_stanzas(("b", "a")),
        "stays, one alone": lambda: pair.pass_stanzas(("c", "c")),
        "stays, two alone": lambda: pair.pass_stanzas(("c", "c"), ("d", "d")),
        "handshakes, one node": lambda: pair.shake_hands("a"),
        "handshakes, two nodes": lambda: pair.shake_hands("a", "b"),
        "handshakes, one alone": lambda: pair.shake_hands("c"),
        "handshakes, two alone": lambda: pair.shake_hands("c", "d"),
    }
    spent: dict[str, list[Spent]] = {name: [] for name in works}
    waits: dict[str, list[float]] = {"a": [], "b": []}
    for number in range(rounds + 1):
        for name, work in works.items():
            spent[name].append(work())
        for node, p99 in waits.items():
            p99.append(percentile(pair.latencies(node, "a"), 0.99))
        if not number:
            for times in spent.values():
                times.clear()
            for p99 in waits.values():
                p99.clear()
    rate = {name: max(each.rate for each in found) for name, found in spent.items()}
    own = {name: max(each.rate_on_own_cores for each in found) for name, found in spent.items()}
    cpu = {name: min(each.cpu for each in found) for name, found in spent.items()}
    figures = {f"{name}: per second": value for name, value in rate.items()}
    figures |= {f"{name}: per second, on their own cores": value for name, value in own.items()}
    for what in ("stays", "handshakes"):
        for one, two in (("one node", "two nodes"), ("one alone", "two alone")):
            gain = f"{what}: {two} over one"
            figures[gain] = rate[f"{what}, {two}"] / rate[f"{what}, {one}"]
            figures[f"{gain}, on their own cores"] = own[f"{what}, {two}"] / own[f"{what}, {one}"]
    figures["stays: CPU, µs a stanza"] = MICRO * cpu["stays, one node"]
    figures["crosses: CPU, µs a stanza, both nodes and NATS"] = MICRO * cpu["crosses"]
    figures["crosses: of that for crossing, µs a stanza"] = MICRO * (cpu["crosses"] - cpu["stays, one node"])
    figures["latency that stays: p99, ms"] = MILLI * median(waits["a"])
    figures["latency that crosses: p99, ms"] = MILLI * median(waits["b"])
    figures["takeover of a service, s"] = pair.takeover()
    return figures


def main(arguments: list[str] | None = None) -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--quick", action="store_true", help="a little work, to see that everything runs")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where JSON goes")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory(prefix="xmpp-gateway-bench-") as folder,
        Pair(Path(folder), QUICK if options.quick else Work()) as pair,
    ):
        figures = measure(pair)
    width = max(map(len, figures))
    for name, value in figures.items():
        print(f"{name:{width}}  {value:>12,.2f}")
    if options.output is not None:
        options.output.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
