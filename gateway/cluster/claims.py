"""Claims: which shards a node should claim, and which of its own it should release.

Every node works this out for itself from its directory. A shard that nobody owns is claimed by the node that it should
belong to. A shard whose owner lives stays where it is until the owner releases it: when another node should have it, or
when the owner drains. A claim is a write on the condition that the entry is still the one that was seen, so of several
nodes with different pictures one wins.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.cluster.directory import ClusterDirectory
from gateway.cluster.records import shard_key
from gateway.cluster.shards import SHARDS, placement


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What a node should do now: shards to claim, and shards to release."""

    claim: list[int] = field(default_factory=list)
    release: list[int] = field(default_factory=list)


def claims(directory: ClusterDirectory, node: str, epoch: int) -> Claims:
    """Return what this node should claim and release in this epoch of its membership."""
    wanted = placement(directory.candidates())
    claim: list[int] = []
    release: list[int] = []
    for shard in range(SHARDS):
        should_be_ours = bool(wanted) and wanted[shard] == node
        owner = directory.owner(shard)
        if owner is None:
            if should_be_ours:
                claim.append(shard)
        elif owner.node == node and owner.epoch == epoch and wanted and not should_be_ours:
            release.append(shard)
    return Claims(claim=claim, release=release)


def expected(directory: ClusterDirectory, shard: int) -> int:
    """Return the revision on which a claim of this shard is conditional."""
    return directory.revision(shard_key(shard))
