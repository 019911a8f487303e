"""The domains with accounts, and their answers to requests addressed to the domains themselves."""

from __future__ import annotations

from functools import partial

from gateway.clients.people import People
from gateway.config.settings import ImDomain
from gateway.handlers.disco import Announced, Disco
from gateway.handlers.ping import Ping
from gateway.handlers.route import HandlerRoute
from gateway.handlers.time import Time
from gateway.handlers.version import Version
from gateway.im.assembly import FEATURES, IDENTITIES
from gateway.notices.attempts.records import Kind
from gateway.routing.interfaces import IRoute
from gateway.run.assembly.privileges import entities_of
from gateway.run.assembly.routing import Routing
from gateway.run.assembly.serving import Served, contacts_of, services_of
from gateway.run.assembly.shared import Shared
from gateway.run.assembly.state import secret
from gateway.xmpp.addresses import Domain


def host_accounts(shared: Shared, routing: Routing, served: Served) -> People:
    """Return the domains with accounts as a service, because their store is opened when the service starts."""
    settings = shared.settings

    def itself(domain: Domain) -> IRoute:
        served = [Ping(), Version(), Time(), Announced(FEATURES, IDENTITIES)]
        disco = Disco(
            served,
            items=lambda: services_of(shared.settings, domain),
            contacts=lambda: contacts_of(shared.settings.domains[domain]),
        )
        return HandlerRoute(
            domain, [Ping(), disco, Version(), Time()], routing.router, shared.board.publish, shared.reactor
        )

    return People(
        [domain.domain for domain in settings.domains_of(ImDomain)],
        itself=itself,
        storage=settings.storage.url,
        state=settings.gateway.state,
        secret=secret(settings.gateway.state / "logins.secret"),
        router=routing.router,
        addresses=shared.addresses,
        new_id=shared.tools.new_id,
        attempt=partial(shared.attempt, Kind.CLIENT),
        reactor=shared.reactor,
        login_failures=settings.limits.login_failures,
        unsafe=routing.keeper.unsafe,
        entities=partial(entities_of, shared, served),
    )
