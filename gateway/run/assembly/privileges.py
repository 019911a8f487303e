"""The components that serve a domain with accounts: who they are, and what they get when they are attached.

They have privileges for the accounts (XEP-0356), or answer for the domain (XEP-0355).
"""

from __future__ import annotations

from functools import partial

from gateway.clients.people import People
from gateway.im.delegated import Delegates
from gateway.im.privileged import PrivilegedEntities
from gateway.routing.delegations import told_delegated
from gateway.routing.privileges import NO_PRIVILEGES, advertisements
from gateway.run.assembly.serving import Served
from gateway.run.assembly.shared import Shared
from gateway.xmpp.addresses import Domain
from gateway.xmpp.stanzas import AddressedStanza


def entities_of(shared: Shared, served: Served, domain: Domain) -> PrivilegedEntities:
    """Return the components that may act for the accounts of a domain."""
    return PrivilegedEntities(
        granted=partial(shared.in_force.privileged, domain), is_attached=partial(_is_attached, served)
    )


def delegates_of(shared: Shared, served: Served, domain: Domain) -> Delegates:
    """Return the components to which a domain delegates namespaces."""
    return Delegates(granted=partial(shared.in_force.delegated, domain), is_attached=partial(_is_attached, served))


def _is_attached(served: Served, component: Domain) -> bool:
    route = served.components.get(component)
    return route is not None and route.is_attached


def greeting_of(shared: Shared, people: People, component: Domain) -> list[AddressedStanza]:
    """Return what a component gets first: what it may do, the presence that it may see, and what it answers for."""
    greeting: list[AddressedStanza] = []
    for domain, granted in shared.in_force.privileges_of(component).items():
        greeting += advertisements(domain, component, granted)
        if (accounts := people.domains.get(domain)) is not None:
            greeting += accounts.introduction(component)
    for domain, delegated in shared.in_force.delegations_of(component).items():
        greeting.append(told_delegated(domain, component, delegated))
        if (accounts := people.domains.get(domain)) is not None:
            accounts.meet(component)
    return greeting


def withdrawal(component: Domain, managed: Domain) -> list[AddressedStanza]:
    """Return what tells a component that it has lost its privileges for a domain."""
    return [*advertisements(managed, component, NO_PRIVILEGES)]


def end_of_delegation(component: Domain, managed: Domain) -> list[AddressedStanza]:
    """Return what tells a component that nothing of a domain is delegated to it any longer."""
    return [told_delegated(managed, component, {})]
