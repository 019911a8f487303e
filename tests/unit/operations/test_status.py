"""The status of the moment: our domains, streams, peers and queues as records, bounded where it is asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from gateway.commands.conversing import as_fact
from gateway.config.settings import ComponentDomain, HandlerDomain, ListenSettings, PeerSettings, RelayDomain, Secret
from gateway.federation.backoff import Backoff, Waits
from gateway.net.certificates.judge import NO_CERTIFICATE
from gateway.notices.attempts.records import Direction, Kind
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import Notice
from gateway.operations.ages import Ages
from gateway.operations.fates import Fates
from gateway.operations.history import History
from gateway.operations.minutes import Minutes
from gateway.operations.peers import PeerSources
from gateway.operations.status import Observed, StatusReader
from gateway.outbox.keeper import Keeper
from gateway.routing.disposition import Disposition
from gateway.stream.facts import Means, Role, ServerFacts, TLSFacts
from gateway.stream.records import replace
from gateway.stream.states import State
from gateway.xmpp.addresses import Domain, DomainPair

NOW = 1000.0
OURS = Domain("bridge.test")


class Fixed:
    """Chance that always says the most."""

    def uniform(self, low: float, high: float) -> float:
        return high


def connection(
    number: int, remote: str, role: Role = Role.RECEIVING, kind: Kind = Kind.SERVER, active: float = NOW
) -> Any:
    direction = Direction.OUT if role is Role.INITIATING else Direction.IN
    attempt = StreamLog(lambda _: None, lambda: NOW - 60, number, direction, kind=kind)
    proofs: Mapping[DomainPair, Means] = {DomainPair(Domain(remote), OURS): Means.EXTERNAL}
    facts = ServerFacts(
        role=role,
        local=OURS,
        remote=Domain(remote),
        tls=TLSFacts(version="TLSv1.3", cipher="AES"),
        proofs=MappingProxyType(proofs),
    )
    return SimpleNamespace(
        session=SimpleNamespace(log=attempt),
        stream=SimpleNamespace(facts=facts, state=State.ESTABLISHED, is_established=True),
        peer_address="192.0.2.1:5269",
        bytes_in=10,
        bytes_out=20,
        last_activity=active,
        is_lost=False,
    )


class GatewayAtRest:
    """A gateway with three domains."""

    def __init__(self, *connections: Any) -> None:
        handler = HandlerDomain(domain=Domain("echo.test"), serve="some.Handler", factory=object)
        relay = RelayDomain(domain=Domain("inside.test"), serve="relay", peer=PeerSettings(connect="tcp:10.0.0.5:5269"))
        component = ComponentDomain(domain=OURS, serve="component", secret=Secret("secret"))
        domains = {each.domain: each for each in (component, handler, relay)}
        self.settings: Any = SimpleNamespace(domains=domains, listen=ListenSettings(server=("tcp:5269",)))
        self.history = History()
        self.fates = Fates(lambda: NOW)
        self.minutes = Minutes(lambda: NOW, totals=dict, connections=list)
        self.identities: dict[Domain, Any] = {}
        self.components: Any = {OURS: SimpleNamespace(sessions=[], connections=1, kept_by_pair={})}
        self.remote_routes: dict[DomainPair, Any] = {}
        self.backoff = Backoff(Waits(), Fixed())  # type: ignore[arg-type]
        self.started_at = NOW - 500
        self.keeper = Keeper(None, lambda: NOW)
        self._connections = connections

    def publish(self, notice: Notice) -> None:
        for reader in (self.history, self.fates):
            if isinstance(notice, reader.KINDS):
                reader.notice(notice)

    def connections(self) -> Any:
        return self._connections

    def missing(self) -> list[str]:
        return []


def read(gateway: GatewayAtRest) -> StatusReader:
    observed = Observed(
        settings=lambda: gateway.settings,
        history=gateway.history,
        identities=gateway.identities,
        components=gateway.components,
        keeper=gateway.keeper,
        peers=PeerSources(
            fates=gateway.fates,
            minutes=gateway.minutes,
            backoff=gateway.backoff,
            remote_routes=gateway.remote_routes,
            ages=Ages(gateway.keeper),
        ),
        started_at=gateway.started_at,
        connections=gateway.connections,
        missing=gateway.missing,
        troubles=list,
    )
    return StatusReader(observed, lambda: NOW)


def test_our_domains_are_up_when_what_serves_them_is_there() -> None:
    gateway = GatewayAtRest(connection(1, "inside.test"))
    told = {each.domain: (each.serve, each.up, each.told) for each in read(gateway).status().domains}
    assert told == {
        "bridge.test": ("component", False, "no component is attached"),
        "echo.test": ("handler", True, "some.Handler"),
        "inside.test": ("relay", True, "1 stream, to the server at tcp:10.0.0.5:5269"),
    }
    gateway.components[OURS].sessions = [SimpleNamespace(address="127.0.0.1:4000")]
    assert read(gateway).status().domains[0].told == "attached from 127.0.0.1:4000"


def test_what_waits_for_a_component_is_told_of_it_and_as_a_queue() -> None:
    gateway = GatewayAtRest()
    component = gateway.components[OURS]
    component.kept_by_pair, component.disposition = {DomainPair(Domain("far.test"), OURS): 12}, Disposition.WAITING
    status = read(gateway).status()
    assert status.domains[0].told == "no component is attached, 12 stanzas waiting"
    assert [(each.sender, each.target, each.disposition, each.stanzas) for each in status.queues] == [
        ("far.test", OURS, "waiting", 12)
    ]
    assert status.queue_count == 1


def test_a_relayed_server_is_down_only_when_it_could_not_be_reached() -> None:
    gateway = GatewayAtRest()
    relay = lambda: next(each for each in read(gateway).status().domains if each.serve == "relay")  # noqa: E731
    assert (relay().up, relay().told) == (True, "no streams, to the server at tcp:10.0.0.5:5269")
    log = StreamLog(gateway.history.notice, lambda: NOW, 1, Direction.OUT, remote="inside.test")
    log.end(Verdict.UNREACHABLE)
    assert not relay().up
    assert relay().told.startswith("the last attempt failed: unreachable")


def test_a_stream_tells_who_proved_what_by_which_means() -> None:
    [stream] = read(GatewayAtRest(connection(7, "far.test", active=NOW - 5))).status().streams
    assert (stream.number, stream.direction, stream.local, stream.remote) == (7, "in", OURS, "far.test")
    assert stream.proofs == {"far.test to bridge.test": "external"}
    assert not stream.both_ways
    assert (stream.tls, stream.state, stream.idle_seconds, stream.began) == ("TLSv1.3", "established", 5, NOW - 60)


def test_a_stream_and_its_peer_are_not_proved_by_a_certificate_that_proves_nothing() -> None:
    outgoing = connection(1, "far.test", Role.INITIATING)
    facts = outgoing.stream.facts
    pair = DomainPair(OURS, Domain("far.test"))
    outgoing.stream.facts = replace(facts, proofs=MappingProxyType({pair: Means.EXTERNAL}), certificate=NO_CERTIFICATE)
    [stream] = read(GatewayAtRest(outgoing)).status().streams
    assert (stream.they_to_us, stream.we_to_them) == ("address", "external")
    assert stream.certificate_fault == NO_CERTIFICATE.problem


def test_the_streams_of_a_domain_are_found_from_both_ends() -> None:
    gateway = GatewayAtRest(connection(2, "far.test"), connection(1, "far.test"), connection(3, "other.test"))
    assert [each.number for each in read(gateway).streams_of("far.test")] == [1, 2]
    assert [each.number for each in read(gateway).streams_of(OURS)] == [1, 2, 3]


def test_a_stream_is_found_by_the_domains_of_every_pair_on_it() -> None:
    shared = connection(1, "far.test")
    pair = DomainPair(Domain("rooms.far.test"), OURS)
    shared.stream.facts = replace(shared.stream.facts, proofs=MappingProxyType({pair: Means.DIALBACK}))
    [stream] = read(GatewayAtRest(shared)).streams_of("rooms.far.test")
    assert stream.remote == "far.test"
    told = as_fact({"ours": OURS, "requests": [], "clock_skew": None}, [{**vars(stream), "local": "other.test"}])
    assert told.they_to_us == stream.they_to_us


def test_figures_count_streams_by_their_sort() -> None:
    figures = read(GatewayAtRest(connection(1, "a.test"), connection(2, "b.test"))).figures()
    assert figures.streams == {("in", "server", "established", "external", "shown", "TLSv1.3"): 2}


@pytest.mark.busy("compares processor times")
def test_very_many_streams_do_not_hold_up_the_event_loop() -> None:
    def seconds(count: int) -> float:
        gateway = GatewayAtRest(*(connection(number, f"{number % (count // 4)}.test") for number in range(count)))
        began = time.process_time()
        read(gateway).status(200)
        read(gateway).figures()
        return time.process_time() - began

    # Ten times as many streams and peers: a hundred times as long, if each stream were compared with each peer.
    assert any(seconds(20_000) < 40 * seconds(2_000) for _ in range(4))
