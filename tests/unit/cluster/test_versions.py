"""Versions N and N+1 beside each other: unknown fields are ignored, unknown kinds are refused, and nothing is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from twisted.internet.defer import Deferred

from gateway.cluster.alone import Alone, Hub
from gateway.cluster.crossing import NotAnswered
from gateway.cluster.records import WIRE, NodeRecord, Standing
from tests.support.nodes import Party, World, stanza

NEWS = {"z": {"of": ["a", "later", "version"]}, "w": WIRE + 1}


class NextVersion(Alone):
    """The engine of a node of the next version: records and frames have more fields, and there are further kinds."""

    def __init__(self, node: str, hub: Hub) -> None:
        super().__init__(node, hub)
        self.kinds: Iterator[str] = iter(("novelty", "", "batch2", "taken2"))

    def write(self, key: str, value: bytes, expected: int) -> Deferred[int]:
        """As `ICluster.write`."""
        return super().write(key, json.dumps(json.loads(value) | NEWS).encode(), expected)

    def send(self, node: str, data: bytes) -> None:
        """As `ICluster.send`: something unknown first, then this with unknown fields."""
        line, _, body = data.partition(b"\n")
        head = json.loads(line) | NEWS
        if (kind := next(self.kinds, None)) is not None:
            super().send(node, json.dumps(head | {"k": kind}).encode() + b"\n" + body)
        super().send(node, json.dumps(head).encode() + b"\n" + body)


@pytest.fixture
def world() -> World:
    """Node a is of this version, node b of the next one."""
    world = World("a")
    b = world.parties["b"] = Party("b", NextVersion("b", world.hub), world.clock)
    b.node.start()
    world.advance(3)
    return world


def test_they_see_each_other_and_divide_the_shards(world: World) -> None:
    world.until(lambda: all(len(world.owners(shard)) == 1 for shard in range(256)))
    for party in world.parties.values():
        assert [node.name for node in party.node.directory.live()] == ["a", "b"]
        assert party.shards


@pytest.mark.parametrize(("sender", "receiver"), ["ab", "ba"])
def test_stanzas_cross_both_ways_each_once_and_in_order(world: World, sender: str, receiver: str) -> None:
    lane = world.parties[sender].lane_to(receiver)
    for number in range(10):
        lane.send([stanza(str(number))])
    world.until(lambda: not lane.waiting)
    assert world.parties[receiver].bodies == [str(number) for number in range(10)]


def test_kinds_of_frames_that_nobody_knows_are_counted_and_dropped(world: World) -> None:
    lane = world.parties["b"].lane_to("a")
    for number in range(4):
        lane.send([stanza(str(number))])
        world.advance(0.05)
    world.until(lambda: not lane.waiting)
    assert world.parties["a"].node.crossing.counts["unreadable"] == 4
    assert world.parties["a"].bodies == ["0", "1", "2", "3"]


def test_a_question_that_a_node_does_not_know_fails_and_harms_nothing(world: World) -> None:
    def refuse(content: object) -> object:
        raise NotAnswered("it does not know that question")

    world.parties["a"].answer = refuse
    problems: list[str] = []
    asked = world.parties["b"].node.crossing.ask("a", {"what": "news"})
    asked.addErrback(lambda failure: problems.append(failure.getErrorMessage()))
    world.advance(1)
    assert problems == ["node a: it does not know that question"]


def test_entries_that_nobody_knows_are_ignored(world: World) -> None:
    for key in ("weather.b", "node", "at.b", "shard.x", "shard.1.2"):
        world.hub.store(key, b"sunny", None)
    world.advance(1)
    assert [node.name for node in world.parties["a"].node.directory.live()] == ["a", "b"]


def test_a_node_with_an_unknown_standing_lives_and_is_given_nothing_new() -> None:
    value = json.dumps({"p": "b-1", "e": 7, "s": "dreaming", "v": "9", "w": 2}).encode()
    record = NodeRecord.read(value)
    assert record is not None
    assert (record.standing, record.epoch) == (Standing.DRAINING, 7)
