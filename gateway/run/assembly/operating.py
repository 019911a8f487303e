"""The operator's side of the running gateway: its status, the control socket, and the http port."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.clients.people import People
from gateway.net.connection.protocol import StreamProtocol
from gateway.operations import findings
from gateway.operations.ages import Ages
from gateway.operations.control.cluster import ClusterCommands
from gateway.operations.control.conversation import Conversation
from gateway.operations.control.door import CommandRefused, ControlDoor
from gateway.operations.control.filters import FilterCommands
from gateway.operations.control.operator import Operator, Steered
from gateway.operations.control.place import socket_path
from gateway.operations.fates import Fates
from gateway.operations.http.door import HTTPDoor, Page, Response
from gateway.operations.http.events import EventStream
from gateway.operations.http.files import page_files
from gateway.operations.http.health import alive, ready
from gateway.operations.http.nodes import OtherNodes
from gateway.operations.http.views import ViewQuery, Views
from gateway.operations.lag import LagMeter
from gateway.operations.metrics import CONTENT_TYPE, ClusterGauges, FilterGauges, Metrics
from gateway.operations.minutes import Minutes
from gateway.operations.outbox_events import OutboxEvents
from gateway.operations.peers import PeerSources
from gateway.operations.rounds import Look, Rounds
from gateway.operations.status import Observed, StatusReader
from gateway.operations.supervision import Supervised
from gateway.operations.troubles import Troubles
from gateway.run.assembly.border import Filters
from gateway.run.assembly.certificates import Trust
from gateway.run.assembly.cluster import Clustered
from gateway.run.assembly.federation import Federation
from gateway.run.assembly.routing import Routing
from gateway.run.assembly.serving import Served
from gateway.run.assembly.shared import Shared
from gateway.storage.interfaces import IStore, IWatchedStore
from gateway.timing.turns import Turns

_STORE_ROUNDS = 6
"""A store is tried once in this many rounds: that is a write to the disk."""


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What is read of the gateway, counted and looked after."""

    status: StatusReader
    fates: Fates
    minutes: Minutes
    outbox_events: OutboxEvents
    peers: PeerSources
    troubles: Troubles
    metrics: Metrics
    rounds: Rounds


@dataclass(frozen=True, kw_only=True)
class Operating:
    """The operator's side of the gateway."""

    control: ControlDoor
    lag: LagMeter
    page: HTTPDoor
    supervised: Supervised


def observe(
    shared: Shared,
    trust: Trust,
    routing: Routing,
    served: Served,
    people: People,
    federation: Federation,
    filters: Filters,
    connections: Callable[[], list[StreamProtocol]],
    refused_reload: Callable[[], str],
) -> Observation:
    """Return the reader of the present state, and what counts and looks around from now on."""
    board, now = shared.board, shared.time_of_day
    fates = Fates(now)
    minutes = Minutes(now, totals=lambda: metrics.totals(), connections=connections)
    nameservers = federation.resolver.nameservers
    ages = Ages(routing.keeper)
    peers = PeerSources(
        fates=fates, minutes=minutes, backoff=routing.backoff, remote_routes=routing.routes.by_pair, ages=ages
    )
    troubles = Troubles(
        [
            lambda: findings.ports(shared.endpoints.missing),
            lambda: findings.outbox(routing.keeper),
            lambda: findings.disk(shared.settings.gateway.state),
            lambda: findings.accounts(people.store),
            lambda: findings.nameservers(nameservers.dead),
            lambda: findings.refused_reload(refused_reload()),
            lambda: findings.domains_down(shared.settings, served.placed, fates, now(), shared.history.of),
            lambda: findings.certificates_unusable(trust.faults, trust.identities),
            lambda: findings.certificates_ending(trust.identities, now()),
            lambda: findings.lists(filters.border.lists_now()),
            lambda: findings.undelivered(peers.waiting(), fates, now()),
        ],
        now,
        board.publish,
    )
    observed = Observed(
        settings=lambda: shared.settings,
        history=shared.history,
        identities=trust.identities,
        components=served.components,
        singles=served.singles,
        keeper=routing.keeper,
        peers=peers,
        started_at=shared.started_at,
        connections=connections,
        missing=shared.endpoints.missing,
        troubles=troubles.now,
        disk=lambda: findings.disk_figures(shared.settings.gateway.state),
    )
    status = StatusReader(observed, shared.reactor.seconds, now)
    metrics = Metrics(status.figures)
    outbox_events = OutboxEvents(now)
    for reader in (fates, minutes, metrics, outbox_events):
        board.subscribe(reader.notice, *reader.KINDS)
    looks = [
        Look(lambda: minutes.read(sum(peers.waiting().values()))),
        Look(ages.read),
        Look(nameservers.look),
        Look(lambda: _look_at(people.store), every=_STORE_ROUNDS),
        Look(lambda: _look_again(people.store)),
        Look(troubles.now),
    ]
    return Observation(
        status=status,
        fates=fates,
        minutes=minutes,
        outbox_events=outbox_events,
        peers=peers,
        troubles=troubles,
        metrics=metrics,
        rounds=Rounds(looks, shared.reactor),
    )


def _look_at(store: IStore | None) -> None:
    """Have a store find out whether it works; one in memory does."""
    if IWatchedStore.providedBy(store):
        store.look()


def _look_again(store: IStore | None) -> None:
    """Have a store that did not work find out whether it does now."""
    if IWatchedStore.providedBy(store) and store.fault is not None:
        store.look()


def let_operators_in(
    shared: Shared,
    steered: Steered,
    observation: Observation,
    filters: Filters,
    cluster: Clustered | None,
) -> Operating:
    """Open the control socket, and make the page and the metrics."""
    reactor, settings, metrics = shared.reactor, shared.settings, observation.metrics
    operator = Operator(steered, Turns(reactor))
    metrics.registry.register(FilterGauges(filters.border.lists_now, lambda: filters.withheld.count))
    conversation = Conversation(
        filters.ask,
        filters.asking_address,
        lambda domain: domain in shared.settings.domains,
        reactor,
        shared.time_of_day,
    )
    by_filters = FilterCommands(filters.border, filters.withheld)
    actions = {**operator.actions, **by_filters.actions, **conversation.actions}
    views = _views(shared, steered, operator, observation, filters, cluster)
    if cluster is not None:
        commands = ClusterCommands(
            cluster, {**actions, "brief": views.brief, "view": lambda **words: views.part(words)}
        )
        cluster.commands = commands.for_other_nodes
        actions |= commands.actions
        metrics.registry.register(ClusterGauges(cluster.figures))
    else:
        actions["drain"] = _not_alone
    return Operating(
        control=ControlDoor(partial(socket_path, settings.gateway.state), actions, reactor),
        lag=LagMeter(reactor, metrics.notice),
        page=_page(shared, observation, views),
        supervised=Supervised(os.environ, shared.endpoints.missing, reactor),
    )


def _not_alone() -> None:
    raise CommandRefused(
        "this gateway is alone ([cluster] is not configured), so nobody could take over: stop the service"
    )


def _views(
    shared: Shared,
    steered: Steered,
    operator: Operator,
    observation: Observation,
    filters: Filters,
    cluster: Clustered | None,
) -> Views:
    seconds, time_of_day = shared.reactor.seconds, shared.time_of_day
    return Views(
        steered,
        operator,
        observation.minutes,
        observation.troubles.latest,
        observation.peers.waiting,
        seconds,
        withheld=lambda: filters.withheld.count,
        outbox_events=observation.outbox_events.latest,
        lists=filters.border.lists_now,
        nodes=OtherNodes(cluster, seconds, time_of_day) if cluster is not None else None,
    )


def _page(shared: Shared, observation: Observation, views: Views) -> HTTPDoor:
    metrics, troubles = observation.metrics, observation.troubles
    pages = {
        **dict(page_files()),
        "/events": EventStream(ViewQuery.read, views.events, shared.reactor),
        "/metrics": Page(lambda: Response(body=metrics.text(), kind=CONTENT_TYPE)),
        "/healthz": Page(ready(shared.endpoints.missing, troubles.now)),
        "/healthz/alive": Page(alive),
    }
    return HTTPDoor(pages, lambda: shared.settings.domains, shared.reactor)
