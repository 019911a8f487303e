"""Shards: everything that lives at one node is divided into 256 shards, and each belongs to one node.

The shard of a bare address, and the node that a shard should belong to, follow from hashes alone, so all nodes that see
the same members agree without asking anybody. When a node comes or goes, only the shards that it gains or leaves
behind change hands (rendezvous hashing).
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

SHARDS = 256
_REMEMBERED = 64  # sets of nodes whose placement is cached


def shard_of(bare: str) -> int:
    """Return the shard of a bare address, or of a domain."""
    return blake2b(bare.encode("utf-8", "surrogatepass"), digest_size=1).digest()[0]


@lru_cache(_REMEMBERED)
def placement(nodes: frozenset[str]) -> tuple[str, ...]:
    """Return the node that each shard should belong to; empty if there are no nodes."""
    ordered = sorted(nodes)
    return tuple(max(ordered, key=lambda node: _weight(shard, node)) for shard in range(SHARDS)) if ordered else ()


@lru_cache(SHARDS * 1024)
def _weight(shard: int, node: str) -> bytes:
    return blake2b(f"{shard} {node}".encode(), digest_size=8).digest()
