"""A node of a cluster, assembled: what it does with stanzas, questions and its own departure when things go wrong."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.cluster.crossing import NotAnswered
from gateway.config.settings import ClusterSettings, Secret
from gateway.notices.notices import StanzaBounced
from gateway.operations.control.door import CommandRefused
from gateway.run.assembly.cluster import DEPART_SECONDS, Clustered, tls_with_nats
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import ConfigError
from tests.support.configuration import Folder
from tests.support.nodes import stanza
from tests.unit.run.assembly.test_filters_running import given_up
from tests.unit.run.test_reloading_in_a_cluster import CONFIGURATION, NodeScene


class AssembledNode(NodeScene):
    """The scene, with the errors that senders get."""

    def __init__(self, folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__(folder, monkeypatch)
        monkeypatch.setattr(self.gateway.federation.streams, "open", lambda pair: Deferred(given_up))
        self.bounced: list[str] = []
        self.gateway.shared.board.subscribe(self._bounced, StanzaBounced)

    def _bounced(self, notice: Any) -> None:
        self.bounced.append(f"{notice.id} {notice.condition}")

    @property
    def cluster(self) -> Clustered:
        assert self.gateway.cluster is not None
        return self.gateway.cluster

    def outcome(self, asked: Any) -> Any:
        """Return what has come of it, or None as long as nothing has."""
        found: list[Any] = []
        (asked if isinstance(asked, Deferred) else Deferred.fromCoroutine(asked)).addBoth(found.append)
        self.nodes.advance(0.5)
        if found and isinstance(found[0], Failure):
            found[0].raiseException()
        return found[0] if found else None


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AssembledNode:
    folder = Folder(tmp_path)
    folder.certify("bridge.test")
    folder.certify("other.test")
    return AssembledNode(folder, monkeypatch)


def test_what_crosses_for_a_domain_that_is_not_ours_is_answered(scene: AssembledNode) -> None:
    scene.b.lane_to("a").send([stanza(to="nowhere.test", id_="1"), stanza(to="anybody@other.test", id_="2")])
    scene.nodes.advance(1)
    assert scene.bounced == ["1 remote-server-timeout", "2 remote-server-timeout"]
    assert not scene.b.node.crossing.waiting, "it was taken over"


def test_what_is_too_long_to_cross_is_answered(scene: AssembledNode) -> None:
    scene.at(scene.b)
    router = scene.gateway.routing.router
    router.arrived([stanza(1_100_000 * "x", to="nurse@bridge.test", id_="long")])
    router.flush()
    scene.send(2)
    scene.nodes.advance(1)
    assert scene.bounced == ["long policy-violation"]
    assert scene.b.bodies == ["2"]


def test_what_is_under_way_for_a_domain_that_a_reload_took_away_is_answered(scene: AssembledNode) -> None:
    scene.at(scene.b)
    scene.b.room = Deferred()
    scene.send(1)
    scene.nodes.advance(0.5)
    scene.reload(CONFIGURATION[CONFIGURATION.index('[domains."bridge') : CONFIGURATION.index('[domains."other')], "")
    scene.nodes.kill("b")
    scene.nodes.advance(20)
    assert scene.bounced == ["1 remote-server-timeout"]


def test_a_node_departs_when_all_has_been_taken_over(scene: AssembledNode) -> None:
    for domain in ("bridge.test", "other.test"):
        scene.node.membership.announce(Domain(domain))
    scene.nodes.advance(1)
    assert scene.b.node.directory.places("other.test") == ["a"]
    scene.b.room = room = Deferred[None]()
    lane = scene.node.crossing.open("b", lambda left: None)
    assert lane is not None
    lane.send([stanza()])
    departed: list[Any] = []
    Deferred.fromCoroutine(scene.cluster.depart()).addBoth(departed.append)
    scene.nodes.advance(DEPART_SECONDS / 2)
    assert departed == []
    assert scene.b.node.directory.places("other.test") == []
    scene.b.room = None
    room.callback(None)
    scene.nodes.advance(DEPART_SECONDS / 4)
    assert departed == [None]


def test_a_node_waits_a_second_at_most_for_what_crosses(scene: AssembledNode) -> None:
    scene.b.room = Deferred()
    lane = scene.node.crossing.open("b", lambda left: None)
    assert lane is not None
    lane.send([stanza()])
    departed: list[Any] = []
    Deferred.fromCoroutine(scene.cluster.depart()).addBoth(departed.append)
    scene.nodes.advance(DEPART_SECONDS + 0.2)
    assert departed == [None]


def test_the_only_node_cannot_be_drained(scene: AssembledNode) -> None:
    for name in "bc":
        scene.nodes.kill(name)
    scene.nodes.advance(20)
    with pytest.raises(CommandRefused, match="there is no other node that could take over"):
        scene.outcome(scene.cluster.drain())


def test_a_question_of_a_newer_version_is_declined(scene: AssembledNode) -> None:
    with pytest.raises(NotAnswered, match="node a: it does not know that question: it may run an older version"):
        scene.outcome(scene.b.node.crossing.ask("a", {"what": "unheard of"}))


def settings(**more: Any) -> ClusterSettings:
    nats = ClusterSettings(url=("nats://127.0.0.1:4222",), secret=Secret("s" * 32))
    return replace(nats, **more)


def test_nats_is_met_with_tls_where_the_configuration_asks_for_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    ours, authorities = tmp_path / folder.certify("node.test"), tmp_path / "ca.pem"
    assert tls_with_nats(settings()) is None
    context = tls_with_nats(settings(authorities=authorities, certificate=ours))
    assert context is not None
    assert [each["subject"] for each in context.get_ca_certs()]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert tls_with_nats(settings(url=("tls://127.0.0.1:4222",), authorities=authorities)) is not None
    with pytest.raises(ConfigError, match=r"cluster.authorities: cannot be used"):
        tls_with_nats(settings(authorities=tmp_path / "nothing.pem"))
    with pytest.raises(ConfigError, match=r"cluster.certificate: cannot be used"):
        tls_with_nats(settings(authorities=authorities, certificate=authorities))
