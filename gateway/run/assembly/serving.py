"""The domains that a component or a handler serves, and the services that each domain answers by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from gateway.components.route import ComponentRoute
from gateway.components.single import SingleService
from gateway.config.settings import ComponentDomain, DomainSettings, HandlerDomain, ImDomain, Settings
from gateway.handlers.context import ServiceSurroundings
from gateway.handlers.directory import Directory
from gateway.handlers.disco import Disco
from gateway.handlers.ping import Ping
from gateway.handlers.route import HandlerRoute
from gateway.handlers.time import Time
from gateway.handlers.version import Version
from gateway.routing.interfaces import ILocalHandler
from gateway.routing.outflow import Outflow, OutflowBounds
from gateway.routing.router import Router
from gateway.run.assembly.routing import Routing
from gateway.run.assembly.shared import Shared
from gateway.storage.interfaces import IStore
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.errors import ConfigError, MalformedAddress
from gateway.xmpp.stanzas import AddressedStanza

MOST_BYTES_FACTOR = 16


LocalRoute = ComponentRoute | HandlerRoute | SingleService
Greeting = Callable[[Domain], Sequence[AddressedStanza]]


@dataclass(frozen=True, kw_only=True)
class Served:
    """The routes of our domains that a component or a handler serves. A reload changes them."""

    router: Router
    components: dict[Domain, ComponentRoute] = field(default_factory=dict)
    handlers: dict[Domain, HandlerRoute] = field(default_factory=dict)
    singles: dict[Domain, SingleService] = field(default_factory=dict)
    store: Callable[[], IStore | None]
    greeting: Greeting
    watchers: list[Callable[[ComponentRoute], None]] = field(default_factory=list)
    adopters: list[Callable[[SingleService], None]] = field(default_factory=list)

    @property
    def placed(self) -> dict[Domain, ComponentRoute]:
        """Return the routes of the domains that are served where somebody is attached: components, single services."""
        return {**self.components, **{name: single.route for name, single in self.singles.items()}}

    def placed_route(self, domain: Domain) -> ComponentRoute | None:
        """Return one of these routes; None if the domain is served in another way."""
        single = self.singles.get(domain)
        return self.components.get(domain) if single is None else single.route

    def running(self) -> list[HandlerRoute | SingleService]:
        """Return everything that is started and stopped."""
        return [*self.handlers.values(), *self.singles.values()]

    def with_handlers(self, domain: Domain) -> HandlerRoute | SingleService | None:
        """Return what serves a domain in this process, and is started and stopped."""
        return self.handlers.get(domain) or self.singles.get(domain)

    def watch(self, watcher: Callable[[ComponentRoute], None], adopt: Callable[[SingleService], None]) -> None:
        """Have `watcher` called with a placed route when somebody is attached here, or no longer.

        `adopt` is called with each service that runs at one node, once it is made.
        """
        self.watchers.append(watcher)
        self.adopters.append(adopt)
        for route in self.placed.values():
            route.watcher = watcher
        for single in self.singles.values():
            adopt(single)

    def attach(self, domain: Domain, route: LocalRoute) -> None:
        """Have this route serve a local domain from now on."""
        if isinstance(route, HandlerRoute):
            self.handlers[domain] = route
            self.router.attach(domain, route)
            return
        placed = route.route if isinstance(route, SingleService) else route
        self.router.attach(domain, placed)
        if isinstance(route, SingleService):
            self.singles[domain] = route
        else:
            self.components[domain] = route
        for watcher in self.watchers:
            placed.watcher = watcher
            watcher(placed)
        if isinstance(route, SingleService):
            for adopt in self.adopters:
                adopt(route)


def serve_locally(
    shared: Shared, routing: Routing, *, store: Callable[[], IStore | None], greeting: Greeting
) -> Served:
    """Make and attach the routes of the domains in the settings; `store` is open when they are started.

    `greeting` returns what the component of a domain gets when it is attached.
    """
    served = Served(router=routing.router, store=store, greeting=greeting)
    for name, domain in shared.settings.domains.items():
        if isinstance(domain, ComponentDomain | HandlerDomain):
            served.attach(name, local_route(shared, routing, domain, store=store, greeting=greeting))
    return served


def local_route(
    shared: Shared,
    routing: Routing,
    domain: ComponentDomain | HandlerDomain,
    *,
    store: Callable[[], IStore | None],
    greeting: Greeting,
) -> LocalRoute:
    """Return a new route for a domain that a component or a handler serves."""
    router, publish = routing.router, shared.board.publish
    if isinstance(domain, ComponentDomain):
        return _placed_route(shared, routing, domain.domain, domain.connections, partial(greeting, domain.domain))
    handler = _made(domain)
    served = [handler, Ping(), Version(), Time()]
    directory = Directory()
    unnamed = [("component", "generic", "xmpp-gateway")]
    disco = Disco(
        [directory, *served],
        identities=unnamed,
        items=lambda: services_of(shared.settings, domain.domain),
        contacts=lambda: contacts_of(domain),
        directory=directory,
    )
    handlers = [handler, Ping(), disco, Version(), Time()]  # the built-in services answer what the handler declines
    surroundings = ServiceSurroundings(directory=directory, admins=bare_addresses(domain.admins), store=store)
    route = HandlerRoute(
        domain.domain,
        handlers,
        router,
        publish,
        shared.reactor,
        surroundings=surroundings,
        watch=shared.block_watch,
    )
    if domain.run == "everywhere" or shared.settings.cluster is None:
        return route
    placed = _placed_route(shared, routing, domain.domain, 1, tuple)
    return SingleService(domain.domain, placed, route, router, shared.reactor, publish)


def _placed_route(
    shared: Shared,
    routing: Routing,
    domain: Domain,
    connections: int,
    greeting: Callable[[], Sequence[AddressedStanza]],
) -> ComponentRoute:
    """Return the route of a domain that is served where somebody is attached."""
    limits = shared.settings.limits
    waiting = limits.component_buffer_bytes
    bounds = OutflowBounds(wait_above=waiting, most_bytes=MOST_BYTES_FACTOR * waiting)
    outflows = [Outflow(bounds, routing.space, shared.reactor) for _ in range(connections)]
    return ComponentRoute(
        domain,
        routing.router,
        outflows,
        shared.reactor,
        shared.board.publish,
        limits.silence_seconds,
        keeper=routing.keeper,
        keep=partial(shared.in_force.component_keep_terms, domain),
        greeting=greeting,
    )


def bare_addresses(contacts: Iterable[str]) -> frozenset[str]:
    """Return the bare addresses among contact URIs: those that begin with `xmpp:`."""
    found = set()
    for uri in contacts:
        if uri.startswith("xmpp:"):
            with suppress(MalformedAddress):
                found.add(Address.parse(uri.removeprefix("xmpp:").partition("?")[0]).bare)
    return frozenset(found)


def contacts_of(domain: DomainSettings) -> dict[str, Sequence[str]]:
    """Return the contact URIs of a domain, by kind (XEP-0157)."""
    return {"admin": domain.admins, **domain.contacts}


def services_of(settings: Settings, domain: Domain) -> dict[str, str]:
    """Return what a domain lists in service discovery: the domains below and beside it that are listed, with names.

    A domain below several domains with accounts belongs to all of these. Domains are beside each other if they have the
    same parent and are not below a domain with accounts. A parent of one label, such as `com`, does not count.
    """
    accounts = {each.domain for each in settings.domains_of(ImDomain)}
    parent = domain.partition(".")[2]
    found: dict[str, str] = {}
    for name, each in settings.domains.items():
        is_listed = isinstance(each, ComponentDomain | HandlerDomain) if each.listed is None else each.listed
        if name == domain or not is_listed:
            continue
        is_below = name.endswith(f".{domain}")
        is_beside = "." in parent and name.partition(".")[2] == parent
        if is_below or (is_beside and not any(name.endswith(f".{account}") for account in accounts)):
            found[name] = each.name
    return {**found, **settings.domains[domain].items} if domain in settings.domains else found


def _made(domain: HandlerDomain) -> ILocalHandler:
    """Return the handler; raise ConfigError with what its factory, which may be the operator's own, raised."""
    try:
        made: ILocalHandler = domain.factory(**domain.options)
        return made
    except Exception as error:
        problem = f"{domain.serve} cannot be created: {type(error).__name__}: {error}"
        raise ConfigError(f'domains."{domain.domain}".options', problem) from error
