"""The scene: a gateway with a component, the crowd before its door, the siege around it, and what is measured there."""

from __future__ import annotations

import json
import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

from benchmarks.figures import percentile
from benchmarks.load.actors import Component
from benchmarks.load.remote import Remote
from benchmarks.load.streams import Credentials, Place
from benchmarks.meter import KIB, Meter
from tests.interop.peers import Gateway
from tests.interop.peers.site import COMPONENT, HTTP, SERVER
from tests.interop.world import World
from tests.load.crowd import Crowd
from tests.load.siege import Siege

DOMAIN, BRIDGE, SECRET = "load.test", "bridge.load.test", "what the component and we share"
GLANCE_SECONDS = 0.02
ANSWER_SECONDS = 120


def raise_descriptors() -> int:
    """As many file descriptors as this process and its children may have; returns how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How much traffic there is: on this many streams, on each this many stanzas, pushed and paced."""

    talkers: int = 100
    pushed: int = 500
    paced: int = 50
    per_second: float = 500  # on all together


class Scene:
    """Everybody in place; nobody has a stream yet but the component."""

    def __init__(self, folder: Path, streams: int, pace: Pace, limits: Mapping[str, Any] | None = None) -> None:
        self._folder = folder
        self._streams = streams
        self._pace = pace
        self._limits = limits or {}

    def __enter__(self) -> Self:
        with ExitStack() as ends:
            world = ends.enter_context(World(self._folder))
            self.gateway = ends.enter_context(self._started(world))
            self.meter = Meter(self.gateway.pid)
            bundle = world.bundle(world.authority.issue("*.many.test"))
            credentials = Credentials(bundle=bundle, authorities=world.authorities)
            address = self.gateway.address
            door = Place(address=address, port=SERVER, domain=BRIDGE)
            bridge = Place(address=address, port=COMPONENT, domain=BRIDGE)
            self.sink = ends.enter_context(Remote(Component, bridge, SECRET))
            self.crowd = ends.enter_context(Remote(Crowd, door, BRIDGE, credentials))
            self.siege = ends.enter_context(Remote(Siege, door))
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ends.close()

    def _started(self, world: World) -> Gateway:
        site = world.site(
            DOMAIN,
            components={BRIDGE: SECRET},
            verbose=False,
            options={"limits": self._limits, "log": {"level": "info"}, "peers": {"any": {"idle_seconds": 0}}},
        )
        site.options["listen"] = {"http": [f"tcp:{HTTP}:interface={site.address}"]}
        return Gateway(site, self._folder / "gateway")

    # What is measured.

    def open(self, count: int) -> tuple[float, float]:
        """Open this many more streams; return the seconds it took, and the gateway's processor seconds."""
        cpu, began = self.meter.cpu_seconds(), time.perf_counter()
        self.crowd.begin("open", count, self._streams)
        self.crowd.collect(3600)
        return time.perf_counter() - began, self.meter.cpu_seconds() - cpu

    def idle(self, seconds: float) -> float:
        """The gateway's share of a processor while nothing passes."""
        cpu, began = self.meter.cpu_seconds(), time.perf_counter()
        time.sleep(seconds)
        return (self.meter.cpu_seconds() - cpu) / (time.perf_counter() - began)

    def memory(self) -> int:
        """Return what the gateway has in memory, in bytes."""
        return self.meter.memory_bytes()

    def pushed(self, pace: Pace | None = None) -> Mapping[str, float]:
        """Traffic as fast as it is taken: stanzas a second, and processor time per stanza."""
        pace = pace or self._pace
        talkers, each = pace.talkers, pace.pushed
        count = talkers * each
        self.crowd.call("prepare", talkers, each)
        cpu, began = self.meter.cpu_seconds(), time.perf_counter()
        self.sink.begin("take", count)
        self.crowd.begin("send")
        self.sink.collect(ANSWER_SECONDS)
        seconds = time.perf_counter() - began
        self.crowd.collect(ANSWER_SECONDS)
        return {"stanzas/s": count / seconds, "us/stanza": 1e6 * (self.meter.cpu_seconds() - cpu) / count}

    def paced(self) -> Mapping[str, float]:
        """Traffic at a steady pace: how long stanzas are under way, and the gateway's share of a processor."""
        pace = self._pace
        cpu, began = self.meter.cpu_seconds(), time.perf_counter()
        self.sink.begin("take_stamped", pace.talkers * pace.paced)
        self.crowd.begin("send_paced", pace.talkers, pace.paced, pace.per_second)
        latencies = self.sink.collect(ANSWER_SECONDS).value
        share = (self.meter.cpu_seconds() - cpu) / (time.perf_counter() - began)
        self.crowd.collect(ANSWER_SECONDS)
        return {
            "median ms": 1e3 * percentile(latencies, 0.5),
            "p99 ms": 1e3 * percentile(latencies, 0.99),
            "largest ms": 1e3 * max(latencies),
            "processor": share,
        }

    @contextmanager
    def under_siege(self, wanted: int, per_second: float, droppers: int) -> Iterator[None]:
        """Meanwhile others take up room, and some of the crowd drip."""
        self.siege.call("begin", wanted, per_second)
        self.crowd.call("start_dripping", droppers)
        time.sleep(min(10.0, 1 + wanted / per_second))
        try:
            yield
        finally:
            self.crowd.call("stop_dripping")
            self.came = self.siege.call("end")

    # What an operator sees.

    def page(self, path: str) -> bytes:
        """A page of the http door; of one that does not end, the first event."""
        with urlopen(f"http://{self.gateway.address}:{HTTP}{path}", timeout=ANSWER_SECONDS) as answer:
            return answer.read() if path != "/events" else answer.readline() + answer.readline()

    def timed(self, look: Callable[[], Any]) -> Mapping[str, float]:
        """Return how long it takes to look at something, and for how long the gateway then does nothing else."""
        with self.lag() as lags:
            time.sleep(0.2)
            began = time.perf_counter()
            look()
            seconds = time.perf_counter() - began
            time.sleep(0.2)
        return {"ms": 1e3 * seconds, "others wait ms": 1e3 * max(lags)}

    def status(self) -> Mapping[str, Any]:
        """Return what `xmpp-gateway status --json` prints."""
        return json.loads(self.gateway.operate("status", "--json"))

    @contextmanager
    def lag(self) -> Iterator[list[float]]:
        """Ask for a sign of life again and again: how long each takes shows for how long the loop was held."""
        lags: list[float] = []
        asking = threading.Event()
        asking.set()

        def ask() -> None:
            while asking.is_set():
                began = time.perf_counter()
                self.page("/healthz/alive")
                lags.append(time.perf_counter() - began)
                time.sleep(GLANCE_SECONDS)

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        try:
            yield lags
        finally:
            asking.clear()
            thread.join()


def per_stream(after: int, before: int, streams: int) -> float:
    """KiB for each stream."""
    return (after - before) / KIB / streams
