"""The domains with accounts, and what they answer when they are themselves addressed."""

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
from gateway.run.assembly.parts import Parts
from gateway.run.assembly.serving import services_of
from gateway.run.assembly.state import secret
from gateway.run.assembly.tools import attempt
from gateway.xmpp.addresses import Domain


def set_people(parts: Parts) -> None:
    """A child service, since its store is opened when the service starts."""
    settings = parts.settings

    def itself(domain: Domain) -> IRoute:
        served = [Ping(), Version(), Time(), Announced(FEATURES, IDENTITIES)]
        disco = Disco(
            served,
            items=lambda: services_of(parts.rules.settings, domain),
            contacts=parts.settings.domains[domain].admins,
        )
        return HandlerRoute(
            domain, [Ping(), disco, Version(), Time()], parts.router, parts.board.publish, parts.reactor
        )

    parts.people = People(
        [domain.domain for domain in settings.domains_of(ImDomain)],
        itself=itself,
        storage=settings.storage.url,
        state=settings.gateway.state,
        secret=secret(settings.gateway.state / "logins.secret"),
        router=parts.router,
        addresses=parts.addresses,
        new_id=parts.tools.new_id,
        attempt=partial(attempt, parts, Kind.CLIENT),
        reactor=parts.reactor,
        login_failures=settings.limits.login_failures,
        unsafe=parts.keeper.unsafe,
    )
    parts.addService(parts.people)
