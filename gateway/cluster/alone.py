"""The engine within one process: a hub with the entries, and one `Alone` for each node.

With a single node it is a cluster of one. With several it is the engine of tests and of the simulation: a hub carries
everything after a delay of virtual time, and can lose frames, cut off a node, or be unavailable.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from gateway.cluster.frames import MOST_FRAME_BYTES
from gateway.cluster.interfaces import Conflict, EngineAway, EngineListener, ICluster
from gateway.cluster.records import Entry
from gateway.timing.timers import Timer

DELAY_SECONDS = 0.001
_TOLERANCE = 1e-9  # for rounding in sums of seconds


class Hub:
    """The entries, and the nodes that are connected; everything arrives after `delay` seconds, in order."""

    def __init__(self, clock: IReactorTime, delay: float = DELAY_SECONDS) -> None:
        self.clock = clock
        self.delay = delay
        self.entries: dict[str, Entry] = {}
        self.writes = 0
        self.frames = 0
        self.loses: Callable[[str, bytes], bool] = lambda node, data: False  # whether a frame is lost
        self._revision = 0
        self._nodes: dict[str, Alone] = {}
        self._cut_off: set[str] = set()
        self._is_away = False
        self._under_way: deque[tuple[float, Callable[[], None]]] = deque()  # with the time when it arrives
        self._timer = Timer(clock)

    # -- faults ------------------------------------------------------------------------------------------------------

    def cut_off(self, node: str) -> None:
        """Take a node's connection away, until it is healed."""
        self._cut_off.add(node)
        self._tell_connection(node)

    def heal(self, node: str) -> None:
        """Let a node connect again."""
        self._cut_off.discard(node)
        self._tell_connection(node)

    def go_away(self) -> None:
        """Be out of everybody's reach."""
        self._is_away = True
        for node in [*self._nodes]:
            self._tell_connection(node)

    def come_back(self) -> None:
        """Be there again, with all entries."""
        self._is_away = False
        for node in [*self._nodes]:
            self._tell_connection(node)

    def reaches(self, node: str) -> bool:
        """Return whether a node is connected."""
        return node in self._nodes and node not in self._cut_off and not self._is_away

    # -- for the nodes -----------------------------------------------------------------------------------------------

    def join(self, alone: Alone) -> None:
        """Connect a node."""
        self._nodes[alone.node] = alone
        self.later(partial(self._tell_connection, alone.node))

    def part(self, alone: Alone) -> None:
        """Disconnect a node for good."""
        if self._nodes.get(alone.node) is alone:
            del self._nodes[alone.node]

    def store(self, key: str, value: bytes | None, expected: int | None) -> int:
        """Write or remove an entry, and tell everybody; raise Conflict."""
        last = self.entries.get(key)
        if expected is not None and expected != (last.revision if last is not None else 0):
            raise Conflict(key)
        self._revision += 1
        self.writes += 1
        entry = self.entries[key] = Entry(key=key, value=value, revision=self._revision)
        self.later(partial(self._tell, entry))
        return self._revision

    def carry(self, sender: str, node: str, data: bytes) -> None:
        """Carry bytes to a node, unless they get lost."""
        if self.reaches(sender) and not self.loses(node, data):
            self.later(partial(self._deliver, node, data))

    def later(self, call: Callable[[], None]) -> None:
        """Call after the delay."""
        self._under_way.append((self.clock.seconds() + self.delay, call))
        if not self._timer.is_running:
            self._timer.start(self.delay, self._call_due)

    def _call_due(self) -> None:
        while self._under_way and self._under_way[0][0] <= self.clock.seconds() + _TOLERANCE:
            self._under_way.popleft()[1]()
        if self._under_way:
            self._timer.start(max(0.0, self._under_way[0][0] - self.clock.seconds()), self._call_due)

    def _tell(self, entry: Entry) -> None:
        for name, node in [*self._nodes.items()]:
            if self.reaches(name):
                node.changed(entry)

    def _deliver(self, node: str, data: bytes) -> None:
        if self.reaches(node):
            self.frames += 1
            self._nodes[node].arrived(data)

    def _tell_connection(self, name: str) -> None:
        node = self._nodes.get(name)
        if node is not None:
            node.connection(self.reaches(name))


@implementer(ICluster)
class Alone:
    """The engine as one node of a hub sees it."""

    def __init__(self, node: str, hub: Hub) -> None:
        self.node = node
        self.is_connected = False
        self.most_bytes = MOST_FRAME_BYTES
        self._hub = hub
        self._listener: EngineListener | None = None

    def start(self, listener: EngineListener) -> None:
        """As `ICluster.start`."""
        self._listener = listener
        self._hub.join(self)

    def stop(self) -> Deferred[None]:
        """As `ICluster.stop`."""
        self._hub.part(self)
        self._listener = None
        self.is_connected = False
        return succeed(None)

    def write(self, key: str, value: bytes, expected: int) -> Deferred[int]:
        """As `ICluster.write`."""
        return self._store(key, value, expected)

    def put(self, key: str, value: bytes) -> Deferred[int]:
        """As `ICluster.put`."""
        return self._store(key, value, None)

    def remove(self, key: str) -> Deferred[None]:
        """As `ICluster.remove`."""
        return self._store(key, None, None).addCallback(lambda _: None)

    def send(self, node: str, data: bytes) -> None:
        """As `ICluster.send`."""
        if len(data) <= self.most_bytes:
            self._hub.carry(self.node, node, data)

    def _store(self, key: str, value: bytes | None, expected: int | None) -> Deferred[int]:
        if not self.is_connected:
            return fail(EngineAway("the engine is away"))
        outcome: Deferred[int] = Deferred()

        def answer() -> None:
            try:
                revision = self._hub.store(key, value, expected)
            except Conflict as conflict:
                outcome.errback(conflict)
                return
            self._hub.later(lambda: outcome.callback(revision))

        def arrive() -> None:
            if self.is_connected:
                answer()
            else:
                outcome.errback(EngineAway("the engine went away"))

        self._hub.later(arrive)
        return outcome

    # -- for the hub -------------------------------------------------------------------------------------------------

    def connection(self, is_connected: bool) -> None:
        """Note whether the hub can be reached."""
        if is_connected == self.is_connected or self._listener is None:
            return
        self.is_connected = is_connected
        if is_connected:
            self._listener.engine_came(list(self._hub.entries.values()))
        else:
            self._listener.engine_went("the engine is away")

    def changed(self, entry: Entry) -> None:
        """Pass on a change."""
        if self._listener is not None:
            self._listener.engine_changed(entry)

    def arrived(self, data: bytes) -> None:
        """Pass on a frame."""
        if self._listener is not None:
            self._listener.frame_arrived(data)
