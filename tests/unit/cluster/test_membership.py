"""Membership over the engine within one process: who is there, who has what, and what faults do to it."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from gateway.cluster.alone import Alone
from gateway.cluster.lease import LEASE_SECONDS, Life
from gateway.cluster.records import Standing, place_key
from gateway.cluster.shards import SHARDS, placement
from tests.support.nodes import World


def everybody_has_one_owner(world: World) -> bool:
    return all(len(world.owners(shard)) == 1 for shard in range(SHARDS))


def test_nodes_find_each_other_and_share_the_shards() -> None:
    world = World("a", "b", "c")
    for party in world.parties.values():
        assert [node.name for node in party.node.directory.live()] == ["a", "b", "c"]
        assert party.lives == [Life.MEMBER]
    wanted = placement(frozenset("abc"))
    world.until(lambda: all(world.owners(shard) == [wanted[shard]] for shard in range(SHARDS)))
    assert {shard for party in world.parties.values() for shard in party.shards} == set(range(SHARDS))


def test_a_node_that_dies_is_noticed_and_its_shards_taken_over_within_15_seconds() -> None:
    world = World("a", "b", "c")
    world.until(lambda: everybody_has_one_owner(world))
    world.kill("b")
    assert world.until(lambda: everybody_has_one_owner(world)) <= 15
    assert [node.name for node in world.parties["a"].node.directory.live()] == ["a", "c"]


@pytest.mark.parametrize("fault", ["cut off", "asleep"])
def test_a_shard_never_has_two_owners_while_one_is_away(fault: str) -> None:
    world = World("a", "b", "c")
    world.until(lambda: everybody_has_one_owner(world))
    b = world.parties["b"]
    before = {shard: b.node.membership.epoch_of(shard) for shard in b.shards}
    if fault == "cut off":
        world.hub.cut_off("b")
    else:
        b.node.membership._tick.stop()  # no timer of a process that sleeps fires
    for _ in range(600):
        world.advance(0.05)
        assert all(len(world.owners(shard)) <= 1 for shard in range(SHARDS))
    assert everybody_has_one_owner(world)
    assert not any(b.node.membership.owns(shard) for shard in before)
    for shard, epoch in before.items():  # a write with the old epoch is older than any of the new owner
        assert world.parties[world.owners(shard)[0]].node.membership.epoch_of(shard) > epoch
    if fault == "cut off":
        world.hub.heal("b")
    else:
        b.node.membership._look()  # it wakes
    assert not any(b.node.membership.owns(shard) for shard in before)
    for _ in range(200):
        world.advance(0.05)
        assert all(len(world.owners(shard)) <= 1 for shard in range(SHARDS))
    assert everybody_has_one_owner(world)
    assert set(before) == b.shards  # what should be its, is its again


def test_while_the_engine_is_away_nobody_is_declared_dead_and_nothing_changes_hands() -> None:
    world = World("a", "b", "c")
    world.parties["b"].node.membership.announce("b.test")
    world.advance(1)
    assert everybody_has_one_owner(world)
    owners = [world.owners(shard) for shard in range(SHARDS)]
    world.hub.go_away()
    world.advance(60)
    for party in world.parties.values():
        assert [node.name for node in party.node.directory.live()] == ["a", "b", "c"]
        assert party.node.directory.places("b.test") == ["b"]
        assert party.shards == set(), "a lease that cannot be renewed is over"
    world.hub.come_back()
    world.until(lambda: everybody_has_one_owner(world))
    assert [world.owners(shard) for shard in range(SHARDS)] == owners


def test_a_node_that_joins_gets_its_shards_after_their_owner_has_stopped() -> None:
    world = World("a")
    a = world.parties["a"]
    assert len(a.shards) == SHARDS
    a.releasing = Deferred()
    world.add("b")
    world.advance(5)
    theirs = {shard for shard, node in enumerate(placement(frozenset("ab"))) if node == "b"}
    assert theirs
    assert not world.parties["b"].shards, "a has not stopped yet"
    releasing, a.releasing = a.releasing, None
    releasing.callback(None)
    world.advance(3)
    assert world.parties["b"].shards == theirs
    assert a.shards == set(range(SHARDS)) - theirs


def test_a_shard_whose_release_ends_in_a_later_membership_finds_an_owner() -> None:
    """The node stops for so long that its lease is over, and it has joined again, alone, when it has stopped."""
    world = World("a")
    a = world.parties["a"]
    a.releasing = Deferred()
    world.add("b")
    world.advance(3)
    world.hub.cut_off("a")
    world.advance(LEASE_SECONDS * 2)
    assert a.node.membership.life is Life.LAPSED
    world.kill("b")
    world.hub.heal("a")
    world.advance(LEASE_SECONDS * 2)
    assert a.node.membership.life is Life.MEMBER
    assert not everybody_has_one_owner(world), "a has not stopped yet"
    releasing, a.releasing = a.releasing, None
    releasing.callback(None)
    world.until(lambda: everybody_has_one_owner(world), seconds=3)


def test_a_node_that_drains_gives_its_shards_away_and_stays_a_member() -> None:
    world = World("a", "b")
    world.parties["a"].node.membership.drain()
    world.advance(3)
    assert world.parties["a"].shards == set()
    assert len(world.parties["b"].shards) == SHARDS
    assert world.parties["b"].node.directory.nodes["a"].record.standing is Standing.DRAINING


def test_a_node_that_drains_while_its_lease_is_written_says_so_afterwards() -> None:
    world = World("a", "b")
    membership = world.parties["a"].node.membership
    world.until(lambda: membership._is_writing)
    membership.drain()
    world.advance(1)
    assert world.parties["b"].node.directory.nodes["a"].record.standing is Standing.DRAINING


def test_a_node_that_drains_before_it_has_joined_takes_nothing() -> None:
    world = World("b")
    a = world.add("a")
    a.node.membership.drain()
    world.advance(5)
    assert a.lives == [Life.MEMBER]
    assert a.shards == set()
    assert world.parties["b"].node.directory.nodes["a"].record.standing is Standing.DRAINING


def test_a_node_that_leaves_while_the_engine_is_away_stays_out_when_that_is_back() -> None:
    world = World("a", "b")
    a = world.parties["a"]
    world.hub.cut_off("a")
    left: list[None] = []
    a.node.membership.leave().addCallback(left.append)
    assert left == [None]
    assert a.shards == set()
    world.hub.heal("a")
    world.advance(LEASE_SECONDS * 2)
    assert a.node.membership.life is Life.LEFT
    assert not a.node.membership._tick.is_running
    assert len(world.parties["b"].shards) == SHARDS
    a.node.membership.leave().addCallback(left.append)
    assert left == [None, None]


def test_a_node_that_leaves_is_gone_at_once() -> None:
    world = World("a", "b")
    world.parties["b"].node.membership.announce("b.test")
    world.advance(1)
    world.parties["b"].node.stop()
    assert world.until(lambda: len(world.parties["a"].shards) == SHARDS) < 3
    a = world.parties["a"].node.directory
    assert ([node.name for node in a.live()], a.places("b.test")) == (["a"], [])


def test_places_are_known_everywhere_and_end_with_the_process() -> None:
    world = World("a", "b")
    a, b = world.parties["a"], world.parties["b"]
    b.node.membership.announce("b.test")
    world.advance(1)
    assert a.node.directory.places("b.test") == b.node.directory.places("b.test") == ["b"]
    assert {"b.test"} in a.places
    b.node.membership.withdraw("b.test")
    world.advance(1)
    assert a.node.directory.places("b.test") == []
    b.node.membership.announce("b.test")
    world.advance(1)
    world.kill("b")
    world.add("b", process="b-2")
    world.advance(1)
    assert a.node.directory.places("b.test") == [], "the new process has announced nothing"


def test_what_is_announced_while_the_engine_is_away_is_told_afterwards() -> None:
    world = World("a", "b")
    a, b = world.parties["a"], world.parties["b"]
    b.node.membership.announce("old.test")
    world.advance(1)
    world.hub.cut_off("b")
    b.node.membership.announce("new.test")
    b.node.membership.withdraw("old.test")
    world.advance(2)
    assert a.node.directory.places("new.test") == []
    world.hub.heal("b")
    world.advance(2)
    assert (a.node.directory.places("new.test"), a.node.directory.places("old.test")) == (["b"], [])


def test_a_place_that_is_withdrawn_before_its_announcement_is_written_is_nowhere() -> None:
    world = World("a", "b")
    a, b = world.parties["a"], world.parties["b"]
    b.node.membership.announce("b.test")
    b.node.membership.withdraw("b.test")
    world.advance(1)
    assert a.node.directory.places("b.test") == []
    b.node.membership.announce("b.test")
    world.advance(1)
    b.node.membership.withdraw("b.test")
    b.node.membership.announce("b.test")
    world.advance(1)
    assert a.node.directory.places("b.test") == ["b"]


def test_an_announcement_on_which_the_engine_goes_away_is_repeated() -> None:
    world = World("a", "b")
    a, b = world.parties["a"], world.parties["b"]
    b.node.membership.announce("b.test")
    world.hub.cut_off("b")
    world.advance(1)
    world.hub.heal("b")
    world.advance(2)
    assert a.node.directory.places("b.test") == ["b"]


def test_a_second_process_of_the_same_name_replaces_the_first_which_stays_out() -> None:
    world = World("a", "b")
    first = world.parties["b"]
    clone = World.add(world, "b", process="b-2")  # the hub passes messages to the newest of a name
    world.hub._nodes["b"] = clone.node.engine  # type: ignore[assignment]
    world.advance(2)
    first.node.engine_changed(world.hub.entries["node.b"])  # which the first one would have seen
    world.advance(5)
    assert clone.node.membership.life is Life.MEMBER
    assert first.node.membership.life is Life.REPLACED
    assert first.shards == set()
    first.node.membership.drain()  # which writes nothing over the entry of the other
    world.advance(30)
    assert first.node.membership.life is Life.REPLACED
    assert clone.lives == [Life.MEMBER]


def test_an_answer_that_is_lost_does_not_end_a_membership() -> None:
    world = World("a", "b")
    engine = world.parties["b"].node.engine
    assert isinstance(engine, Alone)
    revision = engine._hub.store("node.b", engine._hub.entries["node.b"].value, None)  # written, and never answered
    world.advance(LEASE_SECONDS)
    assert world.parties["b"].lives == [Life.MEMBER]
    assert engine._hub.entries["node.b"].revision > revision


def test_places_of_nodes_that_never_come_back_are_removed() -> None:
    world = World("a", "b")
    world.parties["b"].node.membership.announce("b.test")
    world.advance(1)
    world.kill("b")
    world.advance(3500, step=1)
    assert world.hub.entries[place_key("b", "b.test")].value is not None
    world.advance(300, step=1)
    assert world.hub.entries[place_key("b", "b.test")].value is None


def test_all_nodes_write_the_leases_and_nothing_else_when_nothing_happens() -> None:
    world = World("a", "b", "c")
    world.advance(10)
    writes = world.hub.writes
    world.advance(30)
    assert world.hub.writes - writes <= 3 * 30 / 3 + 3
