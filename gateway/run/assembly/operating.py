"""The operator's side of the running gateway: its status, the control socket, and the http port."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from twisted.application.service import Service
from twisted.internet.interfaces import IProtocolFactory

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
from gateway.operations.http.nodes import OtherNodes
from gateway.operations.http.views import Views
from gateway.operations.minutes import Minutes
from gateway.operations.outbox_events import OutboxEvents
from gateway.operations.peers import PeerSources
from gateway.operations.rounds import Look, Rounds
from gateway.operations.status import Observed, StatusReader
from gateway.operations.supervision import Supervised
from gateway.operations.tally import StanzaTally
from gateway.operations.troubles import Troubles
from gateway.run.assembly.border import Filters
from gateway.run.assembly.certificates import Trust
from gateway.run.assembly.federation import Federation
from gateway.run.assembly.routing import Routing
from gateway.run.assembly.serving import Served
from gateway.run.assembly.shared import Shared
from gateway.storage.interfaces import IStore, IWatchedStore
from gateway.timing.turns import Turns

if TYPE_CHECKING:
    from gateway.run.assembly.cluster import Clustered

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
    tally: StanzaTally
    rounds: Rounds


@dataclass(frozen=True, kw_only=True)
class Operating:
    """The operator's side of the gateway."""

    control: ControlDoor
    page: Callable[[], IProtocolFactory]
    """Returns the factory of the http port, which is made by the first call."""
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
    tally = StanzaTally()
    minutes = Minutes(now, totals=tally.totals, connections=connections)
    ages = Ages(routing.keeper)
    peers = PeerSources(
        fates=fates, minutes=minutes, backoff=routing.backoff, remote_routes=routing.routes.by_pair, ages=ages
    )
    troubles = _troubles(shared, trust, routing, served, people, federation, filters, peers, refused_reload)
    observed = _observed(shared, trust, routing, served, peers, connections, troubles)
    status = StatusReader(observed, shared.reactor.seconds, now)
    outbox_events = OutboxEvents(now)
    for reader in (fates, minutes, tally, outbox_events):
        board.subscribe(reader.notice, *reader.KINDS)
    return Observation(
        status=status,
        fates=fates,
        minutes=minutes,
        outbox_events=outbox_events,
        peers=peers,
        troubles=troubles,
        tally=tally,
        rounds=Rounds(
            [
                Look(lambda: minutes.read(sum(peers.waiting().values()))),
                Look(ages.read),
                Look(federation.resolver.nameservers.look),
                Look(lambda: _look_at(people.store), every=_STORE_ROUNDS),
                Look(lambda: _look_again(people.store)),
                Look(troubles.now),
            ],
            shared.reactor,
        ),
    )


def _observed(
    shared: Shared,
    trust: Trust,
    routing: Routing,
    served: Served,
    peers: PeerSources,
    connections: Callable[[], list[StreamProtocol]],
    troubles: Troubles,
) -> Observed:
    """Return what the reader of the present state looks at."""
    return Observed(
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


def _troubles(
    shared: Shared,
    trust: Trust,
    routing: Routing,
    served: Served,
    people: People,
    federation: Federation,
    filters: Filters,
    peers: PeerSources,
    refused_reload: Callable[[], str],
) -> Troubles:
    """Return what looks for everything that does not work."""
    now, fates, nameservers = shared.time_of_day, peers.fates, federation.resolver.nameservers
    return Troubles(
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
            lambda: findings.undelivered(peers.waiting() if fates.failed else {}, fates, now()),
        ],
        now,
        shared.board.publish,
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
    join: Callable[[Service], None],
) -> Operating:
    """Open the control socket, and prepare the page; `join` adds a service to the gateway."""
    reactor, settings = shared.reactor, shared.settings
    operator = Operator(steered, Turns(reactor))
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
    else:
        actions["drain"] = _not_alone
    return Operating(
        control=ControlDoor(partial(socket_path, settings.gateway.state), actions, reactor),
        page=_page(shared, observation, filters, cluster, views, join),
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


def _page(
    shared: Shared,
    observation: Observation,
    filters: Filters,
    cluster: Clustered | None,
    views: Views,
    join: Callable[[Service], None],
) -> Callable[[], IProtocolFactory]:
    @lru_cache(maxsize=1)
    def page() -> IProtocolFactory:
        # Nothing else needs twisted.web's server and the library of the metrics, and many gateways have no http port.
        from gateway.operations.metrics import Metrics
        from gateway.run.assembly.page import make_page

        metrics = Metrics(observation.status.figures, observation.tally)
        return make_page(shared, metrics, observation.troubles.now, filters, cluster, views, join)

    return page
