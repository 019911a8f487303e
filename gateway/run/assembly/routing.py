"""The router, and the routes to remote domains."""

from __future__ import annotations

from dataclasses import dataclass
from random import SystemRandom

from gateway.bounds.tables import family
from gateway.federation.backoff import Backoff, Waits
from gateway.federation.crowded import CrowdedOut
from gateway.federation.route import OpenStream, RemoteRoute
from gateway.federation.route_table import RouteTable
from gateway.outbox.keeper import Keeper
from gateway.routing.outflow import QueueSpace
from gateway.routing.requests import OWN
from gateway.routing.router import Router
from gateway.run.assembly.shared import Shared
from gateway.xmpp.addresses import DomainPair


@dataclass(frozen=True, kw_only=True)
class Routing:
    """The router, and everything that routes share."""

    router: Router
    keeper: Keeper
    space: QueueSpace
    backoff: Backoff
    routes: RouteTable


def route_stanzas(shared: Shared, open_stream: OpenStream) -> Routing:
    """Make the router; every domain that is not attached to it by name is remote.

    `open_stream` is called only when a route needs a stream.
    """
    limits, publish = shared.settings.limits, shared.board.publish
    backoff = Backoff(Waits(), SystemRandom())
    space = QueueSpace(limits.queue_bytes)
    cluster = shared.settings.cluster
    name = f"{OWN}{cluster.node}." if cluster is not None else "xg"
    keeper = Keeper(shared.reactor, shared.time_of_day, name, space=space)

    def remote(pair: DomainPair) -> RemoteRoute:
        foreign = pair.target if shared.in_force.domains.is_own(pair.sender) else pair.sender
        return RemoteRoute(
            pair,
            shared.in_force.route_terms(pair.target),
            open_stream=open_stream,
            router=router,
            backoff=backoff,
            space=space,
            clock=shared.reactor,
            publish=publish,
            at_rest=routes.forget,
            keeper=keeper,
            owner=family(foreign),
        )

    crowded_out = CrowdedOut(limits.routes, lambda: router, publish, shared.reactor.seconds)
    routes = RouteTable(remote, backoff, most=limits.routes, crowded_out=crowded_out)
    router = Router(shared.in_force.domains, routes.route_of, publish)
    return Routing(router=router, keeper=keeper, space=space, backoff=backoff, routes=routes)
