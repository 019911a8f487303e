"""The simulation: nodes with a hub between them, in virtual time; nodes die, sleep, are cut off, join and drain.

Everything but the engine is the code of the product. The hub carries each change to each node after some milliseconds,
and loses frames. While the simulation runs, it checks at every step that no shard has two owners.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from gateway.cluster.shards import SHARDS, placement
from tests.support.nodes import World

STEP = 0.25
AT_ONCE = 500  # domains announced in one step


@dataclass(kw_only=True)
class Result:
    """What a simulation has shown."""

    nodes: int
    domains: int
    takeovers: list[float] = field(default_factory=list)  # seconds from a fault to one owner for each shard
    double_owners: int = 0
    lost_places: int = 0  # domains that some node did not find where they are
    writes_idle: float = 0.0  # a second, for the whole cluster, when nothing happens
    writes_start: int = 0
    seconds: float = 0.0  # of virtual time
    cpu: float = 0.0
    directory_bytes: float = 0.0  # a domain, in the directory of one node


class Simulation:
    """One run, from a seed."""

    def __init__(self, *, nodes: int, domains: int, seed: int) -> None:
        self.chance = Random(seed)
        self.world = World()
        self.world.hub.delay = 0.02
        self.names = [f"n{number:04}" for number in range(nodes)]
        self.domains = [f"d{number}.example" for number in range(domains)]
        self.home: dict[str, str] = {}
        self.generation = 0
        self.result = Result(nodes=nodes, domains=domains)

    # -- what happens ------------------------------------------------------------------------------------------------

    def run(self, faults: int) -> Result:
        """Start all nodes, announce all domains, then let faults happen one after the other."""
        began = time.process_time()
        for name in self.names:
            self.start(name)
        self.until(self.is_settled)
        for number, domain in enumerate(self.domains):
            self.attach(domain, self.chance.choice(self.names))
            if number % AT_ONCE == 0:
                self.step()
        self.advance(5)
        self.result.writes_start = self.world.hub.writes
        self.check_places()
        writes = self.world.hub.writes
        self.advance(30)
        self.result.writes_idle = (self.world.hub.writes - writes) / 30
        for _ in range(faults):
            fault = self.chance.choice([self.kill, self.put_to_sleep, self.cut, self.drain, self.engine_away])
            fault(self.chance.choice(sorted(self.world.parties)))
        self.check_places()
        self.result.seconds = self.world.clock.seconds()
        self.result.cpu = time.process_time() - began
        return self.result

    def kill(self, name: str) -> None:
        """A node dies; its components attach elsewhere; later it starts again."""
        self.world.kill(name)
        self.takeover()
        others = sorted(self.world.parties)
        for domain in [domain for domain, home in self.home.items() if home == name]:
            self.attach(domain, self.chance.choice(others))
        self.start(name)
        self.until(self.is_settled)

    def put_to_sleep(self, name: str) -> None:
        """A process is stopped for half a minute, and goes on where it was."""
        party = self.world.parties[name]
        party.node.membership._tick.stop()
        self.world.hub.cut_off(name)  # what is sent to it waits, and is old when it wakes
        self.takeover(without=name)
        self.world.hub.heal(name)
        party.node.membership._look()
        self.until(self.is_settled)

    def cut(self, name: str) -> None:
        """A node is cut off from the engine, and comes back."""
        self.world.hub.cut_off(name)
        self.takeover(without=name)
        self.world.hub.heal(name)
        self.until(self.is_settled)

    def drain(self, name: str) -> None:
        """A node is restarted as for an upgrade: it drains, leaves, and comes back."""
        party = self.world.parties[name]
        party.node.membership.drain()
        self.takeover(without=name)
        others = sorted(set(self.world.parties) - {name})
        for domain in [domain for domain, home in self.home.items() if home == name]:
            party.node.membership.withdraw(domain)
            self.attach(domain, self.chance.choice(others))
        party.node.stop()
        self.advance(1)
        del self.world.parties[name]
        self.start(name)
        self.until(self.is_settled)

    def engine_away(self, _: str) -> None:
        """The engine is away for a minute: nothing changes hands."""
        self.world.hub.go_away()
        self.advance(60)
        self.world.hub.come_back()
        self.until(self.is_settled)

    # -- steps -------------------------------------------------------------------------------------------------------

    def start(self, name: str) -> None:
        self.generation += 1
        self.world.add(name, process=f"{name}-{self.generation}")

    def attach(self, domain: str, name: str) -> None:
        self.home[domain] = name
        self.world.parties[name].node.membership.announce(domain)

    def takeover(self, without: str = "") -> None:
        began = self.world.clock.seconds()
        self.until(lambda: self.is_settled(without))
        self.result.takeovers.append(self.world.clock.seconds() - began)

    def advance(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP)):
            self.step()

    def until(self, condition: Callable[[], bool], seconds: float = 60) -> None:
        deadline = self.world.clock.seconds() + seconds
        while not condition():
            assert self.world.clock.seconds() < deadline, f"{condition} not within {seconds} s"
            self.step()

    def step(self) -> None:
        self.world.clock.advance(STEP)
        acting = [party.node.membership for party in self.world.parties.values()]
        now = self.world.clock.seconds()
        seen: set[int] = set()
        for membership in acting:
            if membership.lease.holds(now):
                self.result.double_owners += len(seen & membership.shards)
                seen |= membership.shards

    def is_settled(self, without: str = "") -> bool:
        """Return whether every shard is where it should be, for all nodes but one."""
        names = frozenset(self.world.parties) - {without}
        wanted = placement(names)
        by_node: dict[str, set[int]] = {name: set() for name in names}
        for shard in range(SHARDS):
            by_node[wanted[shard]].add(shard)
        now = self.world.clock.seconds()
        return all(
            self.world.parties[name].shards == by_node[name]
            and self.world.parties[name].node.membership.lease.holds(now)
            for name in names
        )

    def check_places(self) -> None:
        """Count the domains that a node does not find at their home; look at three nodes and all domains."""
        self.advance(2)
        for name in self.chance.sample(sorted(self.world.parties), min(3, len(self.world.parties))):
            directory = self.world.parties[name].node.directory
            self.result.lost_places += sum(directory.places(domain) != [home] for domain, home in self.home.items())
            places = directory._places
            size = sys.getsizeof(places) + sum(sys.getsizeof(at) for at in places.values())
            self.result.directory_bytes = size / max(1, len(places))


def simulate(*, nodes: int, domains: int, faults: int, seed: int) -> Result:
    """Run one simulation."""
    return Simulation(nodes=nodes, domains=domains, seed=seed).run(faults)


def lines(result: Result) -> Iterator[str]:
    """Yield the row of a table for a page, with its headings."""
    yield "| nodes | domains | takeover, longest | double owners | lost places | writes/s, idle | CPU |"
    yield "|---|---|---|---|---|---|---|"
    longest = max(result.takeovers, default=0)
    yield (
        f"| {result.nodes} | {result.domains:,} | {longest:.1f} s | {result.double_owners} | {result.lost_places} |"
        f" {result.writes_idle:.1f} | {result.cpu:.1f} s for {result.seconds:.0f} s |"
    )
