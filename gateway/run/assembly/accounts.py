"""The domains with accounts, and their answers to requests addressed to the domains themselves."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.clients.people import People
from gateway.config.settings import ImDomain
from gateway.handlers.adhoc import ServiceCommands
from gateway.handlers.directory import Directory
from gateway.handlers.disco import Announced, Disco
from gateway.handlers.ping import Ping
from gateway.handlers.route import HandlerRoute
from gateway.handlers.time import Time
from gateway.handlers.version import Version
from gateway.im.announcing import Announcement
from gateway.im.assembly import FEATURES, FOR_COMPONENTS, IDENTITIES
from gateway.notices.attempts.records import Kind
from gateway.notices.notices import Remark, counted
from gateway.operations.control.cluster import announce_elsewhere
from gateway.routing.interfaces import IRoute
from gateway.run.assembly.privileges import delegates_of, entities_of
from gateway.run.assembly.routing import Routing
from gateway.run.assembly.serving import Served, bare_addresses, contacts_of, services_of
from gateway.run.assembly.shared import Shared
from gateway.run.assembly.state import logins_secret
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.namespaces import ADMIN

if TYPE_CHECKING:
    from gateway.run.assembly.cluster import Clustered


def host_accounts(shared: Shared, routing: Routing, served: Served, cluster: Clustered | None) -> People:
    """Return the domains with accounts as a service, because their store is opened when the service starts."""
    settings = shared.settings

    def itself(domain: Domain) -> IRoute:
        directory = Directory()
        commands = admin_commands(shared, people, domain, directory, cluster)
        served = [directory, Ping(), Version(), Time(), Announced((*FEATURES, *FOR_COMPONENTS), IDENTITIES)]
        disco = Disco(
            served,
            directory=directory,
            items=lambda: services_of(shared.settings, domain),
            contacts=lambda: contacts_of(shared.settings.domains[domain]),
            announced=lambda own: people.domains[domain].announced(own),
        )
        return HandlerRoute(
            domain, [Ping(), commands, disco, Version(), Time()], routing.router, shared.board.publish, shared.reactor
        )

    people = People(
        [domain.domain for domain in settings.domains_of(ImDomain)],
        itself=itself,
        storage=settings.storage.url,
        state=settings.gateway.state,
        secret=logins_secret(shared),
        router=routing.router,
        addresses=shared.addresses,
        new_id=shared.tools.new_id,
        new_log=partial(shared.new_log, Kind.CLIENT),
        reactor=shared.reactor,
        login_failures=settings.limits.login_failures,
        unsafe=routing.keeper.unsafe,
        entities=partial(entities_of, shared, served),
        delegates=partial(delegates_of, shared, served),
        homes=cluster.homes if cluster is not None else None,
    )
    return people


def admin_commands(
    shared: Shared, people: People, domain: Domain, directory: Directory, cluster: Clustered | None
) -> ServiceCommands:
    """Return the ad-hoc commands of a domain with accounts, for its admins (XEP-0133)."""

    def is_admin(somebody: Address) -> bool:
        return somebody.bare in bare_addresses(shared.settings.domains[domain].admins)

    async def announced(caller: Address, announcement: Announcement) -> str:
        if problem := announcement.problem:
            raise ValueError(problem)
        accounts = await people.announcer.announce(announcement, [domain])
        if cluster is not None and not announcement.to_all:
            arguments = {"text": announcement.text, "subject": announcement.subject, "domain": str(domain)}
            others = await announce_elsewhere(cluster, arguments)
            accounts += sum(each.get("accounts", 0) for each in others.values())
        shared.board.publish(Remark(text=f"{caller.bare} announces something to {counted(accounts, 'account')}"))
        return f"This is being sent to {counted(accounts, 'account')}."

    def announce(caller: Address, announcement: list[str], subject: str = "") -> Coroutine[Any, Any, str]:
        return announced(caller, Announcement("\n".join(announcement), subject))

    def announce_all(caller: Address, announcement: list[str], subject: str = "") -> Coroutine[Any, Any, str]:
        return announced(caller, Announcement("\n".join(announcement), subject, to_all=True))

    commands = ServiceCommands(domain, directory, is_admin)
    commands.add("Send an announcement to online users", announce, node=f"{ADMIN}#announce", form_type=ADMIN)
    commands.add("Send an announcement to all accounts", announce_all, node=f"{ADMIN}#announce-all", form_type=ADMIN)
    return commands
