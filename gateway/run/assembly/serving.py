"""The domains that a component or a handler serves, and what each domain answers by itself."""

from __future__ import annotations

from gateway.components.components import ComponentRoute
from gateway.config.settings import ComponentDomain, HandlerDomain
from gateway.handlers.disco import Disco
from gateway.handlers.ping import Ping
from gateway.handlers.route import HandlerRoute
from gateway.handlers.time import Time
from gateway.handlers.version import Version
from gateway.routing.interfaces import ILocalHandler
from gateway.routing.outflow import Bounds, Outflow
from gateway.run.assembly.parts import Parts
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import ConfigError

MOST_BYTES_FACTOR = 16


def serve_locally(parts: Parts) -> None:
    """Make and attach the routes of the domains as the settings have them."""
    parts.components = {}
    for name, domain in parts.settings.domains.items():
        if isinstance(domain, ComponentDomain | HandlerDomain):
            attach(parts, name, local_route(parts, domain))


def attach(parts: Parts, domain: Domain, route: ComponentRoute | HandlerRoute) -> None:
    """Have a local domain served by this route from now on."""
    if isinstance(route, ComponentRoute):
        parts.components[domain] = route
    parts.router.attach(domain, route)


def local_route(parts: Parts, domain: ComponentDomain | HandlerDomain) -> ComponentRoute | HandlerRoute:
    """A new route for a domain that a component or a handler serves."""
    if isinstance(domain, ComponentDomain):
        limits = parts.settings.limits
        waiting = limits.component_buffer_bytes
        bounds = Bounds(wait_above=waiting, most_bytes=MOST_BYTES_FACTOR * waiting)
        outflow = Outflow(bounds, parts.space, parts.reactor)
        return ComponentRoute(
            domain.domain, parts.router, outflow, parts.reactor, parts.board.publish, limits.silence_seconds
        )
    handler = _made(domain)
    served = [handler, Ping(), Version(), Time()]
    disco = Disco(served, identities=[("server", "im", "xmpp-gateway")], contacts=domain.admins)
    return HandlerRoute(domain.domain, [Ping(), disco, Version(), Time(), handler], parts.router, parts.board.publish)


def _made(domain: HandlerDomain) -> ILocalHandler:
    """The handler itself; ConfigError tells what its factory, which may be the operator's own, had against it."""
    try:
        return domain.factory(**domain.options)  # type: ignore[no-any-return]
    except Exception as error:
        problem = f"{domain.serve} cannot be made: {type(error).__name__}: {error}"
        raise ConfigError(f'domains."{domain.domain}".options', problem) from error
