"""The domains that a component or a handler serves, and what each domain answers by itself."""

from __future__ import annotations

from gateway.components.components import ComponentRoute
from gateway.config.settings import ComponentDomain, HandlerDomain, ImDomain, Settings
from gateway.handlers.disco import Disco
from gateway.handlers.ping import Ping
from gateway.handlers.route import HandlerRoute
from gateway.handlers.time import Time
from gateway.handlers.version import Version
from gateway.routing.interfaces import IDiscoverable, ILocalHandler
from gateway.routing.outflow import Bounds, Outflow
from gateway.run.assembly.parts import Parts
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import ConfigError

MOST_BYTES_FACTOR = 16


def serve_locally(parts: Parts) -> None:
    """Make and attach the routes of the domains as the settings have them."""
    parts.components = {}
    parts.handlers = {}
    for name, domain in parts.settings.domains.items():
        if isinstance(domain, ComponentDomain | HandlerDomain):
            attach(parts, name, local_route(parts, domain))


def attach(parts: Parts, domain: Domain, route: ComponentRoute | HandlerRoute) -> None:
    """Have a local domain served by this route from now on."""
    if isinstance(route, ComponentRoute):
        parts.components[domain] = route
    else:
        parts.handlers[domain] = route
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
    own = IDiscoverable.providedBy(handler) and handler.identities
    identities = [] if own else [("component", "generic", "xmpp-gateway")]
    disco = Disco(served, identities=identities, contacts=domain.admins)
    handlers = [handler, Ping(), disco, Version(), Time()]  # what the handler declines is answered by what is built in
    return HandlerRoute(domain.domain, handlers, parts.router, parts.board.publish, parts.reactor)


def services_of(settings: Settings, domain: Domain) -> dict[str, str]:
    """The components and handlers that belong to a domain with accounts: those below it, and those beside it.

    Beside it is what has the same parent and is below no other domain with accounts. A parent of one label, as `com`,
    joins nothing.
    """
    accounts = {each.domain for each in settings.domains_of(ImDomain)}
    parent = domain.partition(".")[2]
    found: dict[str, str] = {}
    for name, each in settings.domains.items():
        if not isinstance(each, ComponentDomain | HandlerDomain):
            continue
        below = [account for account in accounts if name.endswith(f".{account}")]
        is_beside = not below and "." in parent and name.partition(".")[2] == parent
        if domain in below or is_beside:
            found[name] = ""
    return found


def _made(domain: HandlerDomain) -> ILocalHandler:
    """The handler itself; ConfigError tells what its factory, which may be the operator's own, had against it."""
    try:
        return domain.factory(**domain.options)  # type: ignore[no-any-return]
    except Exception as error:
        problem = f"{domain.serve} cannot be created: {type(error).__name__}: {error}"
        raise ConfigError(f'domains."{domain.domain}".options', problem) from error
