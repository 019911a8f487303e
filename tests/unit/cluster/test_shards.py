"""Shards: even, the same everywhere, and moved only where they must."""

from __future__ import annotations

from collections import Counter

import pytest

from gateway.cluster.shards import SHARDS, placement, shard_of


def test_shards_of_addresses_are_fixed_and_even() -> None:
    assert (shard_of("romeo@im.test"), shard_of("juliet@im.test")) == (222, 191)  # written into databases
    counts = Counter(shard_of(f"user{number}@im.test") for number in range(25_600))
    assert len(counts) == SHARDS
    assert max(counts.values()) < 160


@pytest.mark.parametrize("nodes", [2, 3, 10])
def test_every_node_gets_about_as_many(nodes: int) -> None:
    counts = Counter(placement(frozenset(f"node{number}" for number in range(nodes))))
    assert len(counts) == nodes
    assert max(counts.values()) < 2.1 * SHARDS / nodes


def test_when_a_node_goes_only_its_shards_move() -> None:
    before = placement(frozenset("abcd"))
    after = placement(frozenset("abd"))
    assert all(now == then for then, now in zip(before, after, strict=True) if then != "c")
    assert "c" in before
    assert "c" not in after


def test_no_nodes_have_no_shards() -> None:
    assert placement(frozenset()) == ()
