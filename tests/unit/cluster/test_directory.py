"""The directory: entries in, in any order and of any quality; who is there and who has what out."""

from __future__ import annotations

import pytest

from gateway.cluster import directory as module
from gateway.cluster.directory import ClusterDirectory
from gateway.cluster.lease import LEASE_SECONDS
from gateway.cluster.records import (
    Entry,
    NodeRecord,
    ShardRecord,
    Standing,
    node_key,
    node_of,
    place_key,
    place_of,
    shard_in,
    shard_key,
)


def node(name: str, revision: int, process: str = "p", standing: Standing = Standing.UP, epoch: int = 0) -> Entry:
    value = NodeRecord(process=process, epoch=epoch, standing=standing).to_bytes()
    return Entry(key=node_key(name), value=value, revision=revision)


def place(name: str, domain: str, revision: int, process: str = "p") -> Entry:
    return Entry(key=place_key(name, domain), value=process.encode(), revision=revision)


def shard(number: int, owner: str, epoch: int, revision: int) -> Entry:
    return Entry(key=shard_key(number), value=ShardRecord(node=owner, epoch=epoch).to_bytes(), revision=revision)


@pytest.fixture
def seen() -> ClusterDirectory:
    seen = ClusterDirectory()
    seen.resume(0)
    for entry in (node("a", 1), node("b", 2), place("a", "x.test", 3), place("b", "x.test", 4), shard(5, "a", 1, 5)):
        seen.changed(entry, 0)
    seen.take_touched()
    return seen


def test_keys_are_read_as_they_were_written() -> None:
    assert node_of(node_key("node-1")) == "node-1"
    assert place_of(place_key("a", "bücher.example")) == ("a", "bücher.example")
    assert shard_in(shard_key(255)) == 255
    for key in ("node.", "node.a.b", "at.a", "at.a.?", "shard.256", "shard.-1", "shard.²", "other.a", ""):
        assert (node_of(key), place_of(key), shard_in(key)) == (None, None, None), key


def test_a_domain_has_all_live_places_and_steady_nodes_first(seen: ClusterDirectory) -> None:
    assert seen.places("x.test") == ["a", "b"]
    seen.changed(node("a", 10, standing=Standing.DRAINING, epoch=1), 1)
    assert (seen.places("x.test"), seen.candidates()) == (["b"], frozenset("b"))
    assert seen.take_touched() == {"x.test"}
    seen.changed(Entry(key=place_key("b", "x.test"), value=None, revision=11), 1)
    assert seen.places("x.test") == ["a"], "better one that drains than none"


def test_an_owner_must_be_live_and_of_the_epoch_that_its_entry_names(seen: ClusterDirectory) -> None:
    owned = seen.owner(5)
    assert owned is not None
    assert (owned.node, owned.revision) == ("a", 5)
    seen.changed(node("a", 20), 1)  # it has joined again
    assert seen.owner(5) is None
    assert seen.owner(6) is None


def test_a_node_is_live_until_nothing_was_seen_for_a_lease(seen: ClusterDirectory) -> None:
    seen.changed(node("b", 9, epoch=2), LEASE_SECONDS - 1)
    assert seen.expire(LEASE_SECONDS - 0.01) == []
    assert [each.name for each in seen.expire(LEASE_SECONDS)] == ["a"]
    assert (seen.places("x.test"), seen.take_touched()) == (["b"], {"x.test"})
    seen.changed(node("a", 30, epoch=1), LEASE_SECONDS + 1)
    assert seen.places("x.test") == ["a", "b"], "it was late"


def test_while_paused_nobody_dies_and_afterwards_everybody_has_a_whole_lease(seen: ClusterDirectory) -> None:
    seen.pause()
    assert seen.expire(1000) == []
    seen.resume(1000)
    assert seen.expire(1000 + LEASE_SECONDS - 0.01) == []
    assert len(seen.expire(1000 + LEASE_SECONDS)) == 2


def test_an_older_entry_changes_nothing(seen: ClusterDirectory) -> None:
    seen.changed(node("a", 40, process="new"), 1)
    seen.changed(node("a", 39, process="old"), 2)
    assert seen.nodes["a"].record.process == "new"


def test_a_whole_picture_replaces_the_old_one_and_the_dead_stay_dead(seen: ClusterDirectory) -> None:
    seen.expire(LEASE_SECONDS)  # both are dead
    seen.replace([node("a", 1), node("c", 8), place("a", "x.test", 3)], 50)
    assert [each.name for each in seen.live()] == ["c"]
    assert (seen.places("x.test"), seen.owner(5), "b" in seen.nodes) == ([], None, False)
    assert "x.test" in seen.take_touched()


UNREADABLE = [
    *(b"", b"{", b"[]", b"\xff", b"[" * 200_000, b'{"p":1}', b'{"p":"x","e":"y","s":"up","v":"","w":1}'),
    b'{"p":"x","n":"a","e":1e999,"s":"up","v":"","w":1}',
]


@pytest.mark.parametrize("value", UNREADABLE, ids=range(len(UNREADABLE)))
def test_an_unreadable_node_is_no_node(seen: ClusterDirectory, value: bytes) -> None:
    seen.changed(Entry(key=node_key("a"), value=value, revision=50), 1)
    assert not seen.is_live("a")
    assert seen.left_out == 1
    seen.changed(Entry(key=shard_key(5), value=value, revision=51), 1)
    assert seen.owner(5) is None


def test_a_directory_is_bounded(seen: ClusterDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NODES", 3)
    monkeypatch.setattr(module, "MOST_PLACES", 3)
    for number in range(5):
        seen.changed(node(f"n{number}", 100 + number), 1)
        seen.changed(place("a", f"d{number}.test", 200 + number), 1)
    assert len(seen.nodes) == 3
    assert [number for number in range(5) if seen.places(f"d{number}.test")] == [0]
    assert seen.left_out == 8


def test_a_node_whose_entry_the_engine_has_lost_has_a_lease_to_show_itself(seen: ClusterDirectory) -> None:
    seen.pause()
    seen.replace([node("b", 2)], 100)
    seen.resume(100)
    assert [each.name for each in seen.live()] == ["a", "b"]
    assert seen.revision(node_key("a")) == 0, "it can be written again"
    seen.changed(node("b", 7), 101)
    assert [each.name for each in seen.expire(100 + LEASE_SECONDS)] == ["a"]
    seen.replace([node("b", 7)], 120)
    assert seen.nodes.keys() == {"b"}


def test_a_node_that_has_left_meanwhile_is_gone_at_once(seen: ClusterDirectory) -> None:
    seen.pause()
    seen.replace([Entry(key=node_key("a"), value=None, revision=9), node("b", 2)], 100)
    seen.resume(100)
    assert [each.name for each in seen.live()] == ["b"]
