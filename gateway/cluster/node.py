"""The node: this gateway among the others: its membership, its crossings, and the engine that feeds both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from gateway.cluster.crossing import Crossings
from gateway.cluster.directory import ClusterDirectory
from gateway.cluster.frames import AddressReader
from gateway.cluster.interfaces import ICluster
from gateway.cluster.lease import Life
from gateway.cluster.membership import Membership
from gateway.cluster.open_lane import Batch
from gateway.cluster.records import Entry
from gateway.xmpp.addresses import Address
from gateway.xmpp.stanzas import AddressedStanza


class NodeOwner(Protocol):
    """The gateway that a node is."""

    def engine_state_changed(self, reason: str) -> None:
        """Note that the engine can be reached (no reason), or cannot."""

    def life_changed(self, life: Life, why: str) -> None:
        """As `MembershipOwner.life_changed`."""

    def nodes_changed(self) -> None:
        """As `MembershipOwner.nodes_changed`."""

    def places_changed(self, domains: set[str]) -> None:
        """As `MembershipOwner.places_changed`."""

    def shards_gained(self, shards: set[int]) -> None:
        """As `MembershipOwner.shards_gained`."""

    def shards_lost(self, shards: set[int]) -> Deferred[None] | None:
        """As `MembershipOwner.shards_lost`."""

    def stanzas_arrived(self, node: str, stanzas: Batch) -> Deferred[None] | None:
        """As `CrossingOwner.stanzas_arrived`."""

    def cannot_cross(self, stanza: AddressedStanza) -> None:
        """As `CrossingOwner.cannot_cross`."""

    def question_arrived(self, node: str, content: Mapping[str, Any]) -> Any:
        """As `CrossingOwner.question_arrived`."""


class ClusterNode:
    """One node of a cluster, as it sees itself and the others."""

    def __init__(
        self,
        name: str,
        process: str,
        engine: ICluster,
        clock: IReactorTime,
        owner: NodeOwner,
        *,
        version: str = "",
        clients: str = "",
        address: AddressReader = Address.parse,
    ) -> None:
        """`clients` is where clients reach this node."""
        self.name = name
        self.engine = engine
        self.away = "it has not been reached yet"  # why the engine cannot be reached; empty: it can
        self._owner = owner
        self.membership = Membership(name, process, engine, clock, self, version, clients)
        self.crossing = Crossings(
            name,
            process,
            engine,
            self.membership.directory,
            clock,
            owner,
            lambda: self.membership.lease.holds(clock.seconds()),
            address,
        )

    @property
    def directory(self) -> ClusterDirectory:
        """The picture of all nodes."""
        return self.membership.directory

    def start(self) -> None:
        """Connect to the engine, and join."""
        self.membership.start()
        self.engine.start(self)

    def stop(self) -> Deferred[None]:
        """Leave the cluster, return what was not acknowledged to its routes, and end the connection."""
        self.crossing.close()
        return self.membership.leave().addBoth(lambda _: self.engine.stop())

    # -- what the engine tells ---------------------------------------------------------------------------------------

    def engine_came(self, entries: Sequence[Entry]) -> None:
        """As `EngineListener.engine_came`."""
        self.away = ""
        self._owner.engine_state_changed("")
        self.membership.engine_came(entries)
        self.crossing.engine_came()

    def engine_changed(self, entry: Entry) -> None:
        """As `EngineListener.engine_changed`."""
        self.membership.engine_changed(entry)

    def engine_went(self, reason: str) -> None:
        """As `EngineListener.engine_went`."""
        self.away = reason
        self.membership.engine_went()
        self._owner.engine_state_changed(reason)

    def frame_arrived(self, data: bytes) -> None:
        """As `EngineListener.frame_arrived`."""
        self.crossing.frame_arrived(data)

    # -- what membership tells ---------------------------------------------------------------------------------------

    def nodes_changed(self) -> None:
        """End the lanes to nodes that are gone, then tell the gateway."""
        self.crossing.nodes_changed()
        self._owner.nodes_changed()

    def places_changed(self, domains: set[str]) -> None:
        """Tell the gateway."""
        self._owner.places_changed(domains)

    def shards_gained(self, shards: set[int]) -> None:
        """Tell the gateway."""
        self._owner.shards_gained(shards)

    def shards_lost(self, shards: set[int]) -> Deferred[None] | None:
        """Tell the gateway."""
        return self._owner.shards_lost(shards)

    def life_changed(self, life: Life, why: str) -> None:
        """Tell the gateway."""
        self._owner.life_changed(life, why)
