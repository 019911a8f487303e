"""The router, and the routes to remote domains: each is made when it is first needed, and forgotten when at rest."""

from __future__ import annotations

from random import SystemRandom

from gateway.federation.backoff import Backoff, Waits
from gateway.federation.crowded import CrowdedOut
from gateway.federation.route import RemoteRoute
from gateway.routing.interfaces import IRoute
from gateway.routing.outflow import QueueSpace
from gateway.routing.router import Router
from gateway.run.assembly.parts import Parts
from gateway.xmpp.addresses import DomainPair


def set_router(parts: Parts) -> None:
    """Whatever is not attached to the router by name is remote."""
    parts.backoff = Backoff(Waits(), SystemRandom())
    parts.space = QueueSpace(parts.settings.limits.queue_bytes)
    parts.remote_routes = {}
    most = parts.settings.limits.routes
    crowded_out = CrowdedOut(most, lambda: parts.router, parts.board.publish, parts.reactor.seconds)

    def remote(pair: DomainPair) -> IRoute:
        return route_for(parts, pair) or crowded_out

    parts.router = Router(parts.rules.domains, remote, parts.board.publish)


def route_for(parts: Parts, pair: DomainPair) -> RemoteRoute | None:
    """The route of a pair, made if need be; None where there are too many."""
    route = parts.remote_routes.get(pair)
    if route is None and len(parts.remote_routes) < parts.settings.limits.routes:
        route = remote_route(parts, pair)
    return route


def remote_route(parts: Parts, pair: DomainPair) -> RemoteRoute:
    """A new route for a pair, which takes itself off the list when it is at rest."""

    def forget(route: RemoteRoute) -> None:
        parts.remote_routes.pop(route.pair, None)

    route = parts.remote_routes[pair] = RemoteRoute(
        pair,
        parts.rules.route_rules(pair.target),
        open_stream=lambda pair: parts.streams.open(pair),
        router=parts.router,
        backoff=parts.backoff,
        space=parts.space,
        clock=parts.reactor,
        publish=parts.board.publish,
        at_rest=forget,
        keeper=parts.keeper,
    )
    if parts.is_leaving:
        route.close()
    return route


def reached(parts: Parts, pair: DomainPair) -> None:
    """A domain has shown itself: whatever waits for it is sent on its way now."""
    if not parts.backoff:  # as nearly always, when a stanza has come
        return
    waited = [parts.backoff.reached(whom) for whom in (pair.target, pair)]
    if any(waited):
        for route in list(parts.remote_routes.values()):
            if route.pair.target == pair.target:
                route.retry()
