"""The connection to the engine is cut at every step in the life of a lane; afterwards the lane goes on, in time.

CUTS=all takes every step, otherwise each kind of cut happens at a few.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import product
from random import Random
from typing import NamedTuple

import pytest
from twisted.internet.defer import Deferred

from gateway.cluster.open_lane import OpenLane
from gateway.cluster.records import node_key
from gateway.xmpp.stanzas import AddressedStanza
from tests.support.nodes import Party, World, stanza

BRIEF, LONG = 1.0, 14.0  # within a lease, and beyond
BOUND = 8.0  # seconds from the last connection to the end of everything
STEPS = 30
PHASE = 0.6  # seconds between two nodes that come back
STEP = 0.05


class Cut(NamedTuple):
    """What is cut, for how long, in which order it comes back, and whose entries the engine has lost meanwhile."""

    nodes: str
    seconds: float
    lost: str


CUTS = [
    Cut(nodes, seconds, lost)
    for nodes, seconds, lost in product(("a", "b", "ab", "ba"), (BRIEF, LONG), ("", "a", "b", "ab"))
]


class Source:
    """A route that sends to another node, and again what was not taken over there."""

    def __init__(self, party: Party, node: str) -> None:
        self.sent: list[str] = []
        self.returned = 0
        self._party = party
        self._node = node
        self._lane: OpenLane | None = None
        self._kept: list[AddressedStanza] = []

    def send(self, count: int) -> None:
        for _ in range(count):
            text = f"{self._party.name}{len(self.sent)}"
            self.sent.append(text)
            self._kept.append(stanza(text))
        self.look()

    def look(self) -> None:
        if self._lane is None:
            self._lane = self._party.node.crossing.open(self._node, self._ended)
        if self._lane is not None and self._kept:
            kept, self._kept = self._kept, []
            self._lane.send(kept)

    @property
    def waiting(self) -> int:
        return len(self._kept) + (self._lane.waiting if self._lane is not None else 0)

    def _ended(self, left: list[AddressedStanza]) -> None:
        self.returned += len(left)
        self._kept = [*left, *self._kept]
        self._lane = None


class Crossing:
    """Two nodes that send to each other, and a cut at one step of the hub."""

    def __init__(self, cut: Cut, at: int) -> None:
        self.world = World("a", "b")
        a, b = self.world.parties.values()
        self.ways = ((Source(a, "b"), b), (Source(b, "a"), a))
        self._cut = cut
        self._left = at
        self._steps = self.world.hub.later
        self._is_cut = False

    def run(self) -> None:
        """Send, cut, go on sending, heal, and wait until everything has its end."""
        self.each_sends(1)  # so that both ends of a lane remember something
        self.advance(0.2)
        self.world.hub.later = self._step  # type: ignore[method-assign]
        slow = self.ways[0][1]
        room = slow.room = Deferred()
        for _ in range(6):
            self.each_sends(2)
            self.advance(STEP)
        slow.room = None
        room.callback(None)
        self.advance(4)  # the leases are renewed
        assert self._is_cut, "there are more steps than happen"
        self.advance(self._cut.seconds)
        self.each_sends(1)
        hub = self.world.hub
        for name in self._cut.lost:
            hub.entries.pop(node_key(name), None)
        for name in self._cut.nodes:
            hub.heal(name)
            self.advance(PHASE)
        began = self.world.clock.seconds()
        while any(source.waiting for source, _ in self.ways):
            assert self.world.clock.seconds() - began < BOUND, "a lane is stuck"
            self.advance(STEP)

    def each_sends(self, count: int) -> None:
        for source, _ in self.ways:
            source.send(count)

    def advance(self, seconds: float) -> None:
        for _ in range(round(seconds / STEP)):
            self.world.clock.advance(STEP)
            for source, _ in self.ways:
                source.look()

    def _step(self, call: Callable[[], None]) -> None:
        self._left -= 1
        if self._left == 0:
            self._is_cut = True
            for name in self._cut.nodes:
                self.world.hub.cut_off(name)
        self._steps(call)


@pytest.mark.parametrize("cut", CUTS, ids=str)
def test_a_lane_goes_on_after_a_cut_at_any_step(cut: Cut) -> None:
    steps = range(1, STEPS + 1)
    chance = Random(f"{os.environ.get('FAULTS_SEED', '1')} {cut}")
    for step in steps if "CUTS" in os.environ else chance.sample(steps, 3):
        crossing = Crossing(cut, step)
        crossing.run()
        for source, receiver in crossing.ways:
            bodies = receiver.bodies
            assert list(dict.fromkeys(bodies)) == source.sent, "all arrive, in order"
            if not source.returned:
                assert bodies == source.sent, "and once"
            if cut.seconds == BRIEF:
                assert not source.returned, "nobody was taken for dead"
