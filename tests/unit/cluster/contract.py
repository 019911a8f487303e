"""What every engine must do for a node, and what nodes do over it, with faults: one suite for all providers.

A provider's tests derive from `EngineContract` and give it a `Bench`. The tests are coroutines, because a real engine
takes real time; the bench of the engine within one process lets virtual time pass instead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from gateway.cluster.frames import MOST_FRAME_BYTES
from gateway.cluster.interfaces import Conflict, EngineAway, ICluster
from gateway.cluster.records import Entry
from tests.support.nodes import Party, stanza


class Listening:
    """A listener that notes its calls."""

    def __init__(self) -> None:
        self.entries: dict[str, bytes | None] = {}
        self.revisions: dict[str, int] = {}
        self.frames: list[bytes] = []
        self.came = self.went = 0

    def engine_came(self, entries: Sequence[Entry]) -> None:
        self.came += 1
        self.entries.clear()
        self.revisions.clear()
        for entry in entries:
            self.engine_changed(entry)

    def engine_changed(self, entry: Entry) -> None:
        self.entries[entry.key] = entry.value
        self.revisions[entry.key] = entry.revision

    def engine_went(self, reason: str) -> None:
        assert reason
        self.went += 1

    def frame_arrived(self, data: bytes) -> None:
        self.frames.append(data)


class Snapshot(Listening):
    """A listener that notes the keys with which the engine came."""

    came_with: frozenset[str] = frozenset()

    def engine_came(self, entries: Sequence[Entry]) -> None:
        super().engine_came(entries)
        self.came_with = frozenset(entry.key for entry in entries)


class Bench(ABC):
    """An engine for several nodes, and what can happen to it."""

    @property
    @abstractmethod
    def clock(self) -> Any:
        """The clock of nodes over this engine."""

    @abstractmethod
    async def engine(self, node: str) -> ICluster:
        """Return the engine as a node sees it, not started."""

    @abstractmethod
    async def until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        """Let time pass until the condition holds."""

    @abstractmethod
    async def cut_off(self, node: str) -> None:
        """Cut a node off from the engine."""

    @abstractmethod
    async def heal(self, node: str) -> None:
        """Let a node that was cut off reach the engine again."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop the engine; what it has stored stays."""

    @abstractmethod
    async def start(self) -> None:
        """Start the engine again."""

    async def listening(self, node: str) -> tuple[ICluster, Listening]:
        """Return a started engine with its listener, as soon as it is connected."""
        engine, listener = await self.engine(node), Listening()
        engine.start(listener)
        await self.until(lambda: listener.came >= 1 and engine.is_connected)
        return engine, listener

    async def result(self, asked: Deferred[Any]) -> Any:
        """Return what a Deferred fires with, or raise what it fails with."""
        outcome: list[Any] = []
        asked.addCallbacks(lambda found: outcome.append((True, found)), lambda why: outcome.append((False, why.value)))
        await self.until(lambda: bool(outcome))
        is_good, found = outcome[0]
        if not is_good:
            raise found
        return found

    async def party(self, name: str) -> Party:
        """Return a node that has joined."""
        party = Party(name, await self.engine(name), self.clock)
        party.node.start()
        await self.until(lambda: bool(party.lives))
        return party


class EngineContract:
    """The tests."""

    async def test_what_is_too_long_is_dropped_and_nothing_else(self, bench: Bench) -> None:
        (a, one), (_, other) = await bench.listening("a"), await bench.listening("b")
        assert a.most_bytes >= MOST_FRAME_BYTES
        a.send("b", b"x" * (a.most_bytes + 1))
        a.send("b", b"y" * a.most_bytes)
        await bench.until(lambda: bool(other.frames))
        assert other.frames == [b"y" * a.most_bytes]
        assert (one.came, one.went) == (1, 0)

    async def test_a_write_is_conditional_on_the_last_revision(self, bench: Bench) -> None:
        engine, listener = await bench.listening("a")
        first = await bench.result(engine.write("node.x", b"one", 0))
        with pytest.raises(Conflict):
            await bench.result(engine.write("node.x", b"two", 0))
        second = await bench.result(engine.write("node.x", b"two", first))
        assert second > first
        with pytest.raises(Conflict):
            await bench.result(engine.write("node.x", b"three", first))
        await bench.until(lambda: listener.entries.get("node.x") == b"two")
        assert listener.revisions["node.x"] == second
        await bench.result(engine.remove("node.x"))
        await bench.until(lambda: listener.entries["node.x"] is None)
        third = await bench.result(engine.write("node.x", b"four", listener.revisions["node.x"]))
        assert third > listener.revisions["node.x"] or listener.entries["node.x"] == b"four"

    async def test_everybody_is_told_of_every_change_and_who_comes_later_gets_all(self, bench: Bench) -> None:
        a, first = await bench.listening("a")
        _, second = await bench.listening("b")
        for number in range(20):
            await bench.result(a.put(f"at.a.{number}", b"p"))
        await bench.result(a.remove("at.a.0"))
        expected = {f"at.a.{number}": b"p" for number in range(1, 20)}
        for listener in (first, second):
            await bench.until(lambda listener=listener: _present(listener) == expected)  # type: ignore[misc]
        _, third = await bench.listening("c")
        assert _present(third) == expected

    async def test_who_comes_while_others_write_gets_all(self, bench: Bench) -> None:
        """An entry that is rewritten at that moment is there too, with its old value or its new one."""
        a, listener = await bench.listening("a")
        keys = {f"at.a.{number}" for number in range(16)}
        for key in keys:
            await bench.result(a.put(key, b"p"))
        writing = True

        def again(_: object, key: str) -> None:
            if writing:
                a.put(key, b"p").addCallback(again, key)

        for key in keys:
            again(None, key)
        missing = []
        for number in range(24):
            engine, other = await bench.engine(f"b{number}"), Snapshot()
            engine.start(other)
            await bench.until(lambda other=other: other.came == 1)  # type: ignore[misc]
            missing.append(len(keys - other.came_with))
            await bench.result(engine.stop())
        writing = False
        assert missing == [0] * 24
        assert listener.came == 1

    async def test_frames_reach_their_node_alone_and_in_order(self, bench: Bench) -> None:
        a, own = await bench.listening("a")
        _, listener = await bench.listening("b")
        _, other = await bench.listening("c")
        frames = [b"%d" % number for number in range(200)]
        for frame in frames:
            a.send("b", frame)
        await bench.until(lambda: len(listener.frames) == 200)
        assert listener.frames == frames
        assert (own.frames, other.frames) == ([], [])

    async def test_while_it_is_away_writes_fail_and_afterwards_all_entries_come_again(self, bench: Bench) -> None:
        a, listener = await bench.listening("a")
        await bench.result(a.put("at.a.x", b"p"))
        await bench.stop()
        await bench.until(lambda: listener.went >= 1)
        assert not a.is_connected
        for asked in (a.put("at.a.y", b"p"), a.write("node.a", b"", 0), a.remove("at.a.x")):
            with pytest.raises(EngineAway):
                await bench.result(asked)
        a.send("b", b"lost")
        await bench.start()
        await bench.until(lambda: listener.came == 2)
        assert _present(listener) == {"at.a.x": b"p"}

    async def test_one_that_is_cut_off_gets_what_it_missed(self, bench: Bench) -> None:
        a, _ = await bench.listening("a")
        _, listener = await bench.listening("b")
        await bench.result(a.put("at.a.old", b"p"))
        await bench.cut_off("b")
        await bench.until(lambda: listener.went >= 1)
        await bench.result(a.put("at.a.new", b"p"))
        await bench.result(a.remove("at.a.old"))
        await bench.heal("b")
        await bench.until(lambda: listener.came == 2)
        assert _present(listener) == {"at.a.new": b"p"}

    async def test_nodes_find_each_other_and_what_they_serve(self, bench: Bench) -> None:
        a, b = await bench.party("a"), await bench.party("b")
        b.node.membership.announce("bücher.test")
        await bench.until(lambda: a.node.directory.places("bücher.test") == ["b"])
        await bench.until(lambda: len(a.shards) + len(b.shards) == 256 and bool(a.shards) and bool(b.shards))
        await bench.result(b.node.stop())
        await bench.until(lambda: len(a.shards) == 256)
        assert a.node.directory.places("bücher.test") == []

    async def test_stanzas_cross_once_and_in_order_although_the_engine_restarts(self, bench: Bench) -> None:
        a, b = await bench.party("a"), await bench.party("b")
        await bench.until(lambda: a.node.directory.is_live("b"))
        lane = a.lane_to("b")
        sent = 0
        for round in range(6):
            if round == 2:
                await bench.stop()
            if round == 4:
                await bench.start()
            lane.send([stanza(str(number)) for number in range(sent, sent + 500)])
            sent += 500
            await bench.until(lambda: True)
        await bench.until(lambda: lane.waiting == 0, 60)
        assert b.bodies == [str(number) for number in range(sent)]
        assert a.returned == []

    async def test_a_node_that_is_cut_off_is_replaced_and_comes_back(self, bench: Bench) -> None:
        a, b = await bench.party("a"), await bench.party("b")
        await bench.until(lambda: bool(a.shards) and bool(b.shards))
        await bench.cut_off("b")
        await bench.until(lambda: len(a.shards) == 256, 20)
        assert b.shards == set()
        await bench.heal("b")
        await bench.until(lambda: bool(b.shards) and len(a.shards) + len(b.shards) == 256)
        assert not a.shards & b.shards


def _present(listener: Listening) -> dict[str, bytes]:
    return {key: value for key, value in listener.entries.items() if value is not None}
