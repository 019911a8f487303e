"""Reloading one of several nodes: what crosses to a component at another node goes on, over one lane, without loss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock

from gateway.cluster.alone import Alone
from gateway.cluster.shards import placement, shard_of
from gateway.components.route import ComponentRoute
from gateway.config import load
from gateway.run.assembly import cluster as assembled
from gateway.service import build
from gateway.xmpp.addresses import Domain
from tests.support.configuration import Folder
from tests.support.nodes import Party, World, stanza
from tests.unit.run.test_reloading import reload

BRIDGE = Domain("bridge.test")
CONFIGURATION = """
[gateway]
state = "state"
[tls]
authorities = "ca.pem"
[outbox]
url = "memory:"
[cluster]
url = ["nats://127.0.0.1:4222"]
name = "tests"
node = "a"
secret = "the same on all nodes of this cluster"
[domains."bridge.test"]
serve = "component"
secret = "a secret of some length"
keep = "no"
certificate = "bridge.test.pem"
[domains."other.test"]
serve = "component"
secret = "a secret of another kind, of that length"
certificate = "other.test.pem"
"""


class NodeScene:
    """A gateway that is node a, and nodes b and c, at which the component may be."""

    def __init__(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.clock: Any = MemoryReactorClock()
        self.nodes = World(clock=self.clock)
        monkeypatch.setattr(assembled, "NatsEngine", lambda access: Alone(access.node, self.nodes.hub))
        folder.write(CONFIGURATION)
        self.gateway = build(load(folder.path / "gateway.toml"), self.clock)
        assert self.gateway.cluster is not None
        self.node = self.gateway.cluster.node
        self.gateway.cluster.startService()
        self.b, self.c = self.nodes.add("b"), self.nodes.add("c")
        self.nodes.advance(5)

    def at(self, party: Party) -> None:
        party.node.membership.announce(BRIDGE)
        self.nodes.advance(2)

    @property
    def route(self) -> ComponentRoute:
        return self.gateway.served.components[BRIDGE]

    def send(self, *numbers: int) -> None:
        for number in numbers:
            self.gateway.routing.router.arrived([stanza(str(number), to="nurse@bridge.test", id_=str(number))])
            self.gateway.routing.router.flush()

    def reload(self, old: str = "", new: str = "") -> None:
        self.folder.write((self.folder.path / "gateway.toml").read_text().replace(old, new))
        reload(self.gateway)
        self.nodes.advance(1)

    @property
    def lanes(self) -> list[str]:
        return [lane.node for lane in self.node.crossing._lanes.values()]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NodeScene:
    folder = Folder(tmp_path)
    folder.certify("bridge.test")
    folder.certify("other.test")
    return NodeScene(folder, monkeypatch)


NEW_SECRET = ("a secret of some length", "another secret of that length")


def test_the_new_route_of_a_component_leads_to_the_node_where_it_is(scene: NodeScene) -> None:
    scene.at(scene.b)
    scene.send(1)
    before = scene.route
    scene.reload(*NEW_SECRET)
    assert scene.route is not before
    scene.send(2)
    scene.nodes.advance(1)
    assert scene.b.bodies == ["1", "2"]
    assert not before.sessions
    assert [session.address for session in scene.route.sessions] == ["node b"]


def test_no_lane_stays_open_however_often_a_route_is_replaced(scene: NodeScene) -> None:
    scene.at(scene.b)
    for number in range(5):
        scene.send(number)
        scene.reload(f"of some length{number or ''}", f"of some length{number + 1}")
    assert scene.lanes == ["b"]
    assert scene.b.bodies == ["0", "1", "2", "3", "4"]


def test_what_is_under_way_at_that_moment_arrives_once(scene: NodeScene) -> None:
    scene.at(scene.b)
    scene.b.room = room = Deferred()
    scene.send(1, 2)
    scene.nodes.advance(0.5)
    scene.reload(*NEW_SECRET)
    assert scene.lanes == ["b", "b"], "the old one waits for its acknowledgement"
    scene.b.room = None
    room.callback(None)
    scene.send(3)
    scene.nodes.advance(5)
    assert scene.b.bodies == ["1", "2", "3"]
    assert scene.lanes == ["b"]


def test_what_is_under_way_to_a_node_that_dies_goes_where_the_new_route_leads(scene: NodeScene) -> None:
    scene.at(scene.b)
    scene.b.room = Deferred()
    scene.send(1)
    scene.nodes.advance(0.5)
    scene.reload(*NEW_SECRET)
    scene.at(scene.c)
    scene.nodes.kill("b")
    scene.nodes.advance(20)
    scene.send(2)
    scene.nodes.advance(1)
    assert scene.c.bodies == ["1", "2"]
    assert scene.lanes == ["c"]


def test_a_domain_that_is_gone_leaves_no_lane(scene: NodeScene) -> None:
    scene.at(scene.b)
    scene.reload(CONFIGURATION[CONFIGURATION.index('[domains."bridge') : CONFIGURATION.index('[domains."other')], "")
    assert BRIDGE not in scene.gateway.served.components
    assert scene.lanes == []


def at_home(node: str) -> str:
    """Return a domain whose service, if it runs at one node, runs at this one of three."""
    homes = placement(frozenset("abc"))
    return next(name for name in (f"s{number}.test" for number in range(1000)) if homes[shard_of(name)] == node)


def test_a_service_that_runs_at_one_node_is_added_and_removed_by_a_reload(scene: NodeScene) -> None:
    here, there = Domain(at_home("a")), Domain(at_home("b"))
    once = "".join(f'[domains."{name}"]\nserve = "echo"\nrun = "once"\n' for name in (here, there))
    scene.reload('[domains."other.test"]', f'{once}[domains."other.test"]')
    singles = dict(scene.gateway.served.singles)
    assert singles.keys() == {here, there}
    assert singles[here].route.is_attached_here
    assert not singles[there].route.is_attached_here
    scene.nodes.advance(2)
    assert scene.b.node.directory.places(here) == ["a"]

    scene.reload('run = "once"', 'run = "everywhere"')
    assert scene.gateway.served.singles == {}
    assert all(scene.gateway.served.handlers[name].is_running for name in (here, there))
    assert not singles[here].handlers.is_running
    assert singles[here].route.sessions == []
    scene.nodes.advance(2)
    assert scene.b.node.directory.places(here) == []
