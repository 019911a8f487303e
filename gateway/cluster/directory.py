"""Directory: all nodes, the domains they serve and the shards they own, as this node sees them.

It is fed with the entries of the engine and with the time, and asks nobody. A node counts as live while its entry is
rewritten; by how long ago this node saw the last rewriting, never by a timestamp of another machine. While the engine
is away nothing is seen, so nobody is declared dead: the directory stays as it was (`pause`), and afterwards every node
has a whole lease to show itself (`resume`), even if the engine has lost its entry: a node that leaves marks it removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gateway.cluster.lease import LEASE_SECONDS
from gateway.cluster.records import (
    Entry,
    NodeRecord,
    ShardRecord,
    Standing,
    node_key,
    node_of,
    place_of,
    shard_in,
)
from gateway.cluster.shards import SHARDS

MOST_NODES = 1000
MOST_PLACES = 1_000_000
"""The most nodes, and the most domains at nodes, that a directory keeps; further entries are ignored."""


@dataclass(kw_only=True)
class KnownNode:
    """A node that has an entry."""

    name: str
    record: NodeRecord
    epoch: int
    revision: int
    seen_at: float
    is_live: bool

    @property
    def takes_more(self) -> bool:
        """Return whether something may be placed on it."""
        return self.is_live and self.record.standing is Standing.UP


@dataclass(frozen=True, kw_only=True)
class Owned:
    """The entry of a shard; `epoch` is that of the owner's membership, `revision` that of the ownership."""

    node: str
    epoch: int
    revision: int


class ClusterDirectory:
    """The picture of the cluster."""

    def __init__(self) -> None:
        self.nodes: dict[str, KnownNode] = {}
        self.generation = 1  # greater whenever a node comes, restarts, drains or goes
        self.shard_changes = 0  # entries of shards that were seen
        self.left_out = 0  # entries beyond the bounds, or unreadable
        self._places: dict[str, dict[str, str]] = {}  # domain -> node -> the process that serves it there
        self._place_count = 0
        self._shards: list[Owned | None] = [None] * SHARDS
        self._revisions: dict[str, int] = {}  # of nodes and shards, removed ones included
        self._is_paused = True
        self._touched: set[str] = set()

    # -- what is asked -----------------------------------------------------------------------------------------------

    def live(self) -> list[KnownNode]:
        """Return the live nodes, by name."""
        return sorted((node for node in self.nodes.values() if node.is_live), key=lambda node: node.name)

    def is_live(self, name: str, process: str = "") -> bool:
        """Return whether a node is live; with `process`, whether it is still that one."""
        node = self.nodes.get(name)
        return node is not None and node.is_live and process in ("", node.record.process)

    def candidates(self) -> frozenset[str]:
        """Return the names of the nodes on which something may be placed."""
        return frozenset(node.name for node in self.nodes.values() if node.takes_more)

    def places(self, domain: str) -> list[str]:
        """Return the live nodes that serve a domain, by name; those that drain only if there are no others."""
        at = self._places.get(domain)
        if not at:
            return []
        serving = [self.nodes[name] for name, process in at.items() if self.is_live(name, process)]
        steady = [node for node in serving if node.takes_more]
        return sorted(node.name for node in steady or serving)

    def domains_at(self, name: str) -> list[str]:
        """Return the domains that a node serves; this looks at all domains."""
        return sorted(domain for domain, at in self._places.items() if name in at and self.is_live(name, at[name]))

    def owner(self, shard: int) -> Owned | None:
        """Return who owns a shard now; None if nobody does."""
        owned = self._shards[shard]
        if owned is None:
            return None
        node = self.nodes.get(owned.node)
        is_valid = node is not None and node.is_live and node.epoch == owned.epoch
        return owned if is_valid else None

    def revision(self, key: str) -> int:
        """Return the revision of the last entry with this key, even if it was removed; 0 if there was none."""
        return self._revisions.get(key, 0)

    def take_touched(self) -> set[str]:
        """Return the domains that may have changed their places since the last call."""
        touched, self._touched = self._touched, set()
        return touched

    def stale_keys(self, before: float) -> Iterator[tuple[str, str]]:
        """Yield node and domain of the places of processes that are gone, at nodes last seen before that time."""
        for domain, at in self._places.items():
            for name, process in at.items():
                node = self.nodes.get(name)
                if node is None or (not self.is_live(name, process) and node.seen_at < before):
                    yield name, domain

    # -- what is seen ------------------------------------------------------------------------------------------------

    def changed(self, entry: Entry, now: float) -> None:
        """Take in one entry; an older one than that already seen is ignored."""
        key = entry.key
        if (place := place_of(key)) is not None:
            self._place_changed(*place, entry)
            return
        if entry.revision <= self._revisions.get(key, 0):
            return
        if (name := node_of(key)) is not None:
            self._node_changed(name, entry, now)
        elif (shard := shard_in(key)) is not None:
            self._revisions[key] = entry.revision
            self.shard_changes += 1
            record = ShardRecord.read(entry.value or b"")
            self._shards[shard] = _owned(record, entry.revision) if record is not None and record.node else None

    def replace(self, entries: Iterable[Entry], now: float) -> None:
        """Take in all entries that there are: what is not among them no longer exists, except nodes that were live."""
        before = dict(self.nodes)
        self._touched |= self._places.keys()
        self.nodes.clear()
        self._places.clear()
        self._place_count = 0
        self._shards = [None] * SHARDS
        self._revisions.clear()
        for entry in entries:
            self.changed(entry, now)
        for name, old in before.items():
            new = self.nodes.get(name)
            if new is not None and new.revision == old.revision:
                new.is_live = old.is_live
            elif old.is_live and node_key(name) not in self._revisions:
                self.nodes[name] = old
        self.generation += 1

    def pause(self) -> None:
        """Declare nobody dead from now on, because nothing is seen."""
        self._is_paused = True

    def resume(self, now: float) -> None:
        """See again: every live node has a whole lease to show itself."""
        self._is_paused = False
        for node in self.nodes.values():
            if node.is_live:
                node.seen_at = now

    def expire(self, now: float) -> list[KnownNode]:
        """Note and return the nodes that are no longer live."""
        if self._is_paused:
            return []
        gone = [node for node in self.nodes.values() if node.is_live and now - node.seen_at >= LEASE_SECONDS]
        for node in gone:
            node.is_live = False
            self._touch(node.name)
        return gone

    # -- details -----------------------------------------------------------------------------------------------------

    def _node_changed(self, name: str, entry: Entry, now: float) -> None:
        known = self.nodes.get(name)
        if known is None and len(self.nodes) >= MOST_NODES:
            self.left_out += 1
            return
        self._revisions[entry.key] = entry.revision
        record = NodeRecord.read(entry.value) if entry.value is not None else None
        if record is None:
            self.left_out += entry.value is not None
            if known is not None and known.is_live:
                known.is_live = False
                self._touch(name)
            return
        node = KnownNode(
            name=name,
            record=record,
            epoch=record.epoch or entry.revision,
            revision=entry.revision,
            seen_at=now,
            is_live=True,
        )
        self.nodes[name] = node
        before = known.record if known is not None and known.is_live else None
        if before is None or (before.process, before.standing) != (record.process, record.standing):
            self._touch(name)

    def _place_changed(self, name: str, domain: str, entry: Entry) -> None:
        at = self._places.get(domain)
        if entry.value is None:
            if at is not None and at.pop(name, None) is not None:
                self._place_count -= 1
                if not at:
                    del self._places[domain]
        else:
            if at is None or name not in at:
                if self._place_count >= MOST_PLACES:
                    self.left_out += 1
                    return
                self._place_count += 1
            process = entry.value.decode("ascii", "replace")
            if at is None:
                self._places[domain] = {name: process}
            else:
                at[name] = process
        self._touched.add(domain)

    def _touch(self, name: str) -> None:
        """Note that a node has changed, and so perhaps the place of everything there."""
        self.generation += 1
        self._touched.update(domain for domain, at in self._places.items() if name in at)


def _owned(record: ShardRecord, revision: int) -> Owned:
    return Owned(node=record.node, epoch=record.epoch, revision=revision)
