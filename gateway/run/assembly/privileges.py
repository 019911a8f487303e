"""The components with privileges for accounts (XEP-0356): who they are, and what they get when they are attached."""

from __future__ import annotations

from functools import partial

from gateway.clients.people import People
from gateway.im.privileged import PrivilegedEntities
from gateway.routing.privileges import NO_PRIVILEGES, advertisements
from gateway.run.assembly.serving import Served
from gateway.run.assembly.shared import Shared
from gateway.xmpp.addresses import Domain
from gateway.xmpp.stanzas import AddressedStanza


def entities_of(shared: Shared, served: Served, domain: Domain) -> PrivilegedEntities:
    """Return the components that may act for the accounts of a domain."""

    def is_attached(component: Domain) -> bool:
        route = served.components.get(component)
        return route is not None and route.is_attached

    return PrivilegedEntities(granted=partial(shared.rules.privileged, domain), is_attached=is_attached)


def greeting_of(shared: Shared, people: People, component: Domain) -> list[AddressedStanza]:
    """Return what a component gets first: what it may do, and the presence that it may see."""
    greeting: list[AddressedStanza] = []
    for domain, granted in shared.rules.privileges_of(component).items():
        greeting += advertisements(domain, component, granted)
        if (accounts := people.domains.get(domain)) is not None:
            greeting += accounts.introduction(component)
    return greeting


def withdrawal(component: Domain, managed: Domain) -> list[AddressedStanza]:
    """Return what tells a component that it has lost its privileges for a domain."""
    return [*advertisements(managed, component, NO_PRIVILEGES)]
