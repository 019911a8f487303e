"""Conservation over a cluster: three nodes, NATS and PostgreSQL, with a Prosody and an ejabberd outside.

Node b is the door: everything comes in there and goes out there, and what is for the components east and west crosses
to nodes a and c. Under this traffic a node is killed, another one sleeps, NATS and the database restart, and b is cut
off from NATS. Every message comes to exactly one end, but for the doubles that docs/cluster.md and docs/delivery.md
allow; each sender's messages go out in order; and the shards of a node that is gone are served within 15 seconds.

The full run, 2000 stanzas a second for two minutes: `pytest -s -m soak tests/faults/test_cluster.py`
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from random import Random
from typing import Any, Self, TypeVar

import pytest

from gateway.cluster.lanes import WINDOW_STANZAS
from gateway.cluster.shards import SHARDS
from tests.faults.book import Book
from tests.faults.components import Component
from tests.faults.proxy import Wire
from tests.faults.traffic import send
from tests.interop.fixtures import require_installed
from tests.interop.nodes import Cluster, Nats
from tests.interop.peers import Peer
from tests.interop.peers.site import COMPONENT, NATS
from tests.interop.world import World
from tests.support.postgresql import Postgresql

SECRET = "secret"
CHAT = (("message", "chat"),)  # kept, and its type is not left out by ejabberd, as "normal" is
DOMAIN = "conservation.test"
EAST, WEST = f"east.{DOMAIN}", f"west.{DOMAIN}"
TAKEOVER_SECONDS = 15.0
BUSY = 3  # times as long on a busy machine
QUIET_SECONDS = 60.0  # longer than anything waits
SLEEP_SECONDS = 30.0

T = TypeVar("T")


class Loop:
    """An event loop in a thread: it goes on while the main thread starts servers and waits for them."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return the result of a coroutine."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def begin(self, coroutine: Coroutine[Any, Any, T]) -> Callable[[], T]:
        """Begin a coroutine; return what waits for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result

    @contextmanager
    def entered(self, made: Any) -> Iterator[Any]:
        """Enter an asynchronous context in the loop."""

        async def enter() -> Any:
            return await made().__aenter__()

        one = self.call(enter())
        try:
            yield one
        finally:
            self.call(one.__aexit__(None, None, None))


class Roaming(Component):
    """A component that attaches to another node when the one that it was attached to is gone."""

    def __init__(self, domain: str, nodes: list[tuple[str, int]], heard: Any) -> None:
        super().__init__(domain, SECRET, nodes[0], heard)
        self._nodes = cycle(nodes)

    async def _attach(self) -> None:
        self._at = next(self._nodes)
        await super()._attach()


@dataclass
class Scene:
    """The cluster under traffic, and the account of it."""

    cluster: Cluster
    postgresql: Postgresql
    wire: Wire
    loop: Loop
    outwards: list[Book] = field(default_factory=list)  # from b to other servers
    crossing: list[Book] = field(default_factory=list)  # from b to the components at a and c
    inwards: list[Book] = field(default_factory=list)  # from other servers, over b, to the same
    takeovers: dict[str, float] = field(default_factory=dict)
    deaths: int = 0  # after which a node may have taken over what it did not acknowledge
    sending: dict[str, Component] = field(default_factory=dict)

    @property
    def books(self) -> list[Book]:
        return [*self.outwards, *self.crossing, *self.inwards]

    def shards(self, node: str, *others: str) -> int:
        """Return how many shards these nodes have, as the first says."""
        nodes = self.cluster[node].ask("status")["cluster"]["nodes"]
        return sum(each["shards"] for each in nodes if each["node"] in (node, *others))

    def takes_over(self, what: str, *nodes: str) -> None:
        """Wait until these nodes have all shards, and note how long that took."""
        began = time.monotonic()
        self.cluster[nodes[0]].wait_until(lambda: self.shards(*nodes) == SHARDS, 60, f"the owner of all after {what}")
        self.takeovers[what] = time.monotonic() - began

    # -- what happens ------------------------------------------------------------------------------------------------

    def kill_east(self) -> None:
        self._kill("a", "b", "c")

    def kill_west(self) -> None:
        self._kill("c", "b", "a")

    def _kill(self, node: str, *others: str) -> None:
        self.deaths += 1
        self.cluster[node].kill()
        self.takes_over(f"the death of {node}", *others)
        self.cluster[node].start()
        self.cluster.settled("a", "b", "c")

    def sleep(self) -> None:
        self.deaths += 1
        began = time.monotonic()
        self.cluster["c"].pause()
        try:
            self.takes_over("sleep", "b", "a")
            time.sleep(max(0.0, began + SLEEP_SECONDS - time.monotonic()))
        finally:
            self.cluster["c"].resume()
        self.cluster.settled("a", "b", "c")

    def restart_nats(self) -> None:
        self.cluster.nats.restart()
        self.cluster.settled("a", "b", "c")

    def restart_database(self) -> None:
        self.postgresql.restart()
        time.sleep(2)

    def cut_off(self) -> None:
        """Node b, the door, does not reach NATS for so long that the others count it as gone."""
        self.deaths += 1  # of b, as the others see it
        self.loop.call(self._shut())
        self.takes_over("cut", "a", "c")
        time.sleep(5)
        self.loop.call(self.wire.__aenter__())
        self.cluster.settled("a", "b", "c")

    async def _shut(self) -> None:
        await self.wire.__aexit__()

    # -- the account -------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Wait until every message has an end, or nothing more has happened for a while."""
        missing, changed = -1, time.monotonic()
        while missing and time.monotonic() - changed < QUIET_SECONDS:
            before, missing = missing, sum(len(book.unaccounted()) for book in self.books)
            if missing != before:
                changed = time.monotonic()
            time.sleep(0.5)
        time.sleep(2)  # what comes twice may come late

    def check(self) -> None:
        print()
        for book in self.books:
            print(book.summary(), f"{book.doubles} doubles")
        print({what: round(seconds, 1) for what, seconds in self.takeovers.items()})
        for book in self.books:
            assert book.unaccounted() == []
            assert book.garbled == book.both() == []
        for book in self.outwards:
            assert book.overtaken == [], "one stream at one node, which has not died"
            assert book.doubles == 0
        for book in (*self.crossing, *self.inwards):
            assert book.doubles <= self.deaths * WINDOW_STANZAS
        for what, seconds in self.takeovers.items():
            assert seconds <= TAKEOVER_SECONDS * BUSY, what


@contextmanager
def scene(world: World, postgresql: Postgresql, prosody: Peer, ejabberd: Peer) -> Iterator[Scene]:
    require_installed(Nats)
    url = postgresql.url()
    names: dict[str, Peer | str] = {"out-p": prosody, "out-e": ejabberd, "to-east": EAST, "to-west": WEST}
    sources = {f"{name}.{DOMAIN}": target for name, target in names.items()}
    kept = {domain: {"keep": "all"} for domain in (EAST, WEST, *sources)}
    options: dict[str, Any] = {
        "domains": kept,
        "peers": {"any": {"keep": "all"}},
        "outbox": {"url": url},
        "storage": {"url": url},
        "log": {"level": "info"},
    }
    address = world.address()
    components = dict.fromkeys((EAST, WEST, *sources), SECRET)
    cluster = Cluster(world, DOMAIN, components=components, options=options, verbose=False, through={"b": address})
    wire = Wire(address, NATS, to=(cluster.nats.address, NATS))
    with ExitStack() as ends:
        loop = ends.enter_context(Loop())
        ends.enter_context(loop.entered(lambda: wire))
        ends.enter_context(cluster)
        cluster.found_at("b")
        it = Scene(cluster, postgresql, wire, loop)
        ends.enter_context(_components(it, sources, {EAST: prosody, WEST: ejabberd}))
        yield it


@contextmanager
def _components(it: Scene, sources: Mapping[str, Peer | str], far: Mapping[str, Peer]) -> Iterator[None]:
    """Attach all components; each has a book of what it sends, and hears what is sent to it."""
    doors = {name: node.at(COMPONENT) for name, node in it.cluster.nodes.items()}
    places = {EAST: [doors["a"], doors["c"]], WEST: [doors["c"], doors["a"]]}
    senders: list[tuple[str, str, list[Book], Any]] = []
    for domain, target in sources.items():
        books = it.crossing if isinstance(target, str) else it.outwards
        to = target if isinstance(target, str) else next(iter(target.site.components))
        senders.append((domain, to, books, [doors["b"]]))
    for target, peer in far.items():
        senders.append((next(iter(peer.site.components)), target, it.inwards, [peer.at(COMPONENT)]))
    for domain, to, books, _ in senders:
        books.append(Book(domain, to, CHAT, is_kept=True))

    def heard(stanza: Any) -> None:
        for book in it.books:
            book.target_heard(stanza)
            book.sender_heard(stanza)

    with ExitStack() as ends:
        for domain, nodes in places.items():
            ends.enter_context(it.loop.entered(lambda domain=domain, nodes=nodes: Roaming(domain, nodes, heard)))
        it.sending = {
            domain: ends.enter_context(it.loop.entered(lambda domain=domain, at=at: Roaming(domain, at, heard)))
            for domain, _, _, at in senders
        }
        it.cluster.serves(EAST, "a")
        it.cluster.serves(WEST, "c")
        yield


def run(
    it: Scene, faults: Sequence[Callable[[Scene], None]], *, per_second: float, seconds: float, pause: float
) -> None:
    """Send while these things happen, one after the other; then wait for the ends, and check the account."""
    each = per_second / len(it.books)
    waits = [
        it.loop.begin(send(it.sending[book.sender], book, round(each * seconds), each, Random(number)))
        for number, book in enumerate(it.books)
    ]
    for fault in faults:
        time.sleep(pause)
        fault(it)
    for wait in waits:
        wait()
    it.settle()
    it.check()


def test_a_node_dies_and_nats_restarts_while_everything_crosses(
    world: World, postgresql: Postgresql, prosody: Peer, ejabberd: Peer
) -> None:
    with scene(world, postgresql, prosody, ejabberd) as it:
        run(it, [Scene.restart_nats, Scene.kill_east], per_second=200, seconds=10, pause=1)


@pytest.mark.soak
def test_each_stanza_has_one_end_whatever_happens_to_nodes_and_engines(
    world: World, postgresql: Postgresql, prosody: Peer, ejabberd: Peer
) -> None:
    faults = [
        Scene.kill_east,
        Scene.restart_nats,
        Scene.restart_database,
        Scene.sleep,
        Scene.cut_off,
        Scene.kill_west,
    ]
    with scene(world, postgresql, prosody, ejabberd) as it:
        run(it, faults, per_second=2000, seconds=120, pause=5)
