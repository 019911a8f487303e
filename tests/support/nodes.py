"""Nodes of a cluster for tests: each notes its notifications, and takes over what arrives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.cluster.alone import Alone, Hub
from gateway.cluster.interfaces import ICluster
from gateway.cluster.lease import Life
from gateway.cluster.node import ClusterNode
from gateway.cluster.open_lane import OpenLane
from gateway.xmpp.addresses import Address
from gateway.xmpp.stanzas import AddressedStanza


def stanza(
    text: str = "hello", *, to: str = "b.test", from_: str = "romeo@far.test/x", id_: str = "1"
) -> AddressedStanza:
    """A message, as it comes from the codec."""
    raw = f"<message from='{from_}' to='{to}' type='chat' id='{id_}'><body>{text}</body></message>".encode()
    return AddressedStanza("message", raw, Address.parse(to), Address.parse(from_), "chat", id_)


class Party:
    """The gateway that a node is, as far as a node is concerned."""

    def __init__(self, name: str, engine: ICluster, clock: Any, process: str = "") -> None:
        self.name = name
        self.clock = clock
        self.node = ClusterNode(name, process or f"{name}-1", engine, clock, self)
        self.lives: list[Life] = []
        self.places: list[set[str]] = []
        self.shards: set[int] = set()
        self.arrived: list[tuple[str, bytes]] = []
        self.returned: list[bytes] = []
        self.refused: list[AddressedStanza] = []
        self.room: Deferred[None] | None = None
        self.releasing: Deferred[None] | None = None
        self.answer: Callable[[Mapping[str, Any]], Any] = lambda content: {"heard": content}

    def engine_state_changed(self, reason: str) -> None:
        pass

    def life_changed(self, life: Life, why: str) -> None:
        self.lives.append(life)

    def nodes_changed(self) -> None:
        pass

    def places_changed(self, domains: set[str]) -> None:
        self.places.append(domains)

    def shards_gained(self, shards: set[int]) -> None:
        assert not self.shards & shards
        self.shards |= shards

    def shards_lost(self, shards: set[int]) -> Deferred[None] | None:
        self.shards -= shards
        return self.releasing

    def stanzas_arrived(self, node: str, stanzas: Sequence[AddressedStanza]) -> Deferred[None] | None:
        self.arrived += ((node, each.raw) for each in stanzas)
        return self.room

    def cannot_cross(self, stanza: AddressedStanza) -> None:
        self.refused.append(stanza)

    def question_arrived(self, node: str, content: Mapping[str, Any]) -> Any:
        return self.answer(content)

    def lane_to(self, node: str) -> OpenLane:
        lane = self.node.crossing.open(node, lambda left: self.returned.extend(each.raw for each in left))
        assert lane is not None, f"{node} is not live"
        return lane

    @property
    def bodies(self) -> list[str]:
        return [raw.decode().partition("<body>")[2].partition("<")[0] for _, raw in self.arrived]


class World:
    """A hub with nodes, in virtual time."""

    def __init__(self, *names: str, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.hub = Hub(self.clock)
        self.parties: dict[str, Party] = {}
        for name in names:
            self.add(name)
        if names:
            self.advance(3)

    def add(self, name: str, process: str = "") -> Party:
        party = self.parties[name] = Party(name, Alone(name, self.hub), self.clock, process)
        party.node.start()
        return party

    def kill(self, name: str) -> None:
        """End a node as a crash would: it neither sends nor receives anything."""
        party = self.parties.pop(name)
        party.node.membership._tick.stop()
        party.node.crossing._timer.stop()
        party.node.engine.stop()

    def advance(self, seconds: float, step: float = 0.05) -> None:
        for _ in range(round(seconds / step)):
            self.clock.advance(step)

    def until(self, condition: Callable[[], bool], seconds: float = 30) -> float:
        """Let time pass until the condition holds; return how long that took."""
        began = self.clock.seconds()
        while not condition():
            assert self.clock.seconds() - began < seconds, f"not within {seconds} s"
            self.clock.advance(0.05)
        return self.clock.seconds() - began

    def owners(self, shard: int) -> list[str]:
        """The nodes that act as the owner of a shard at this moment."""
        return [name for name, party in self.parties.items() if party.node.membership.owns(shard)]
