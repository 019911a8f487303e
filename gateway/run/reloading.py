"""Reloading: the running service applies its present configuration, certificates, authorities and revocation lists.

First it reads and makes everything new, and starts new services, each when the one that it replaces has stopped. That
may fail: then the old services continue, nothing has changed, and the operator gets the reason. Then it puts everything
in place at once, which cannot fail. At the end it checks each open stream against the new rules, in turns when there
are many: streams that would still be accepted stay up, and the others are closed with the condition that says why.

The settings that are fixed for a process (state folder, nameservers, limits, storage, outbox, format of the log, and
which domains have accounts) take effect at the next start; the answer names those that have changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList

from gateway.components.route import ComponentRoute
from gateway.components.single import SingleService
from gateway.config import Mistakes, load
from gateway.config.settings import ComponentDomain, DomainSettings, HandlerDomain, ImDomain, Settings
from gateway.filters.border import make_filters
from gateway.filters.interfaces import IFilter
from gateway.handlers.route import HandlerRoute
from gateway.net.certificates.judge import CertificateVerdict
from gateway.net.certificates.own_certificates import Identity
from gateway.net.connection.protocol import StreamProtocol
from gateway.net.listen.listening import Listening, NotOpened
from gateway.net.tls.session import judge_peer
from gateway.notices.notices import Level, Remark
from gateway.operations.control.door import CommandRefused
from gateway.routing.review import review
from gateway.run.assembly.border import Filters
from gateway.run.assembly.certificates import Material, Trust
from gateway.run.assembly.doors import FactoryOf
from gateway.run.assembly.privileges import end_of_delegation, withdrawal
from gateway.run.assembly.routing import Routing
from gateway.run.assembly.serving import Served, local_route
from gateway.run.assembly.shared import Shared
from gateway.stream.facts import Role, ServerFacts
from gateway.timing.turns import Turns
from gateway.xmpp.addresses import Domain
from gateway.xmpp.errors import ConfigError, StreamCondition, StreamError

FIXED = ("gateway", "dns", "limits", "storage", "outbox", "cluster", "log")
_SERVED_HERE = (ComponentDomain, HandlerDomain)


class Reload:
    """One reload of a gateway."""

    def __init__(
        self,
        *,
        shared: Shared,
        trust: Trust,
        routing: Routing,
        served: Served,
        factory_of: FactoryOf,
        connections: Callable[[], Iterable[StreamProtocol]],
        filters: Filters,
    ) -> None:
        """`factory_of` returns what is behind a key of `[listen]`; `connections` are checked against the new rules."""
        self._shared = shared
        self._trust = trust
        self._routing = routing
        self._served = served
        self._factory_of = factory_of
        self._connections = connections
        self._filters = filters
        self._old = shared.settings

    async def run(self) -> dict[str, Any]:
        """Return what changed, how many streams were closed, and what needs a restart; raise CommandRefused."""
        try:
            wanted = load(self._old.file)
            new = _with_fixed(self._old, wanted)
            material = Material.load(new, before=self._trust.identities)
            filters = make_filters(new.filters)
            routes = self._new_routes(new)
            opened = self._open_new_doors(new)
            await self._start_handlers(routes, opened)
        except (Mistakes, ConfigError, NotOpened) as problem:
            told = "; ".join(str(problem).splitlines())
            self._tell(f"the configuration was not reloaded, and nothing has changed: {told}", Level.ERROR)
            raise CommandRefused(f"nothing has changed: {problem}") from problem
        except CancelledError as stopping:
            raise CommandRefused("nothing has changed: the gateway is stopping") from stopping
        changed = [*differences(self._old, new), *_renewed(self._trust.identities, material.identities)]
        if material.trust.generation != self._trust.judge.trust.generation:
            changed.append(f"we trust {material.trust}")
        await DeferredList(self._put_in_place(new, material, filters, routes, opened))
        closed = await self.review()
        needs_restart = [*(f"[{table}]" for table in FIXED if getattr(new, table) != getattr(wanted, table))]
        if _accounts(self._old) != _accounts(wanted):
            needs_restart.append('which domains have accounts (serve = "im")')
        self._tell(f"reloaded: {'; '.join(changed) or 'nothing has changed'}; streams closed: {closed}")
        faults = [f"the certificate of {name}: {why}" for name, why in material.faults.items()]
        return {"changed": changed, "closed": closed, "needs_restart": needs_restart, "faults": faults}

    async def review(self) -> int:
        """Close the streams that would no longer be accepted; return how many there were."""
        return sum(await Turns(self._shared.reactor).gather(self._close_what_is_not_allowed()))

    # -- what may fail -----------------------------------------------------------------------------------------------

    def _new_routes(self, new: Settings) -> dict[Domain, Any]:
        """Return the routes of local domains that are new or have changed."""
        return {
            name: local_route(
                self._shared, self._routing, domain, store=self._served.store, greeting=self._served.greeting
            )
            for name, domain in new.domains.items()
            if isinstance(domain, _SERVED_HERE)
            and (_needs_route(self._old.domains.get(name), domain) or self._has_failed(name))
        }

    def _has_failed(self, name: Domain) -> bool:
        """Return whether the handlers of a domain could not be started; then this reload tries again."""
        route = self._served.handlers.get(name)
        return route is not None and route.has_stopped

    def _open_new_doors(self, new: Settings) -> list[Listening]:
        before = set(self._old.listen.opened())
        opened: list[Listening] = []
        try:
            for door, endpoint in new.listen.opened():
                if (door, endpoint) not in before:
                    new_door = Listening(door, endpoint, self._factory_of(door), self._shared.reactor)
                    new_door.privilegedStartService()
                    opened.append(new_door)
        except NotOpened:
            for new_door in opened:
                new_door.stopService()
            raise
        return opened

    async def _start_handlers(self, routes: dict[Domain, Any], opened: list[Listening]) -> None:
        """Start new handlers, each after the one before it has stopped; if one fails, restart the old ones."""
        changed: list[tuple[HandlerRoute | SingleService | None, HandlerRoute | SingleService]] = []
        try:
            for name, route in routes.items():
                if isinstance(route, HandlerRoute | SingleService):
                    old = self._served.with_handlers(name)
                    changed.append((old, route))
                    if old is not None:
                        await old.stop()
                    await route.start()
        except BaseException as error:
            for old, route in reversed(changed):
                await route.stop()
                if old is not None and not isinstance(error, CancelledError):  # the gateway does not stop
                    await self._start_again(old)
            for door in opened:
                door.stopService()
            raise

    async def _start_again(self, route: HandlerRoute | SingleService) -> None:
        try:
            await route.start()
        except ConfigError as problem:
            self._tell(f"{problem}: the previous handler of the domain could not be restarted", Level.ERROR)

    # -- what may not ------------------------------------------------------------------------------------------------

    def _put_in_place(
        self,
        new: Settings,
        material: Material,
        filters: dict[str, IFilter],
        routes: dict[Domain, Any],
        opened: list[Listening],
    ) -> list[Deferred[None]]:
        """Return the ends of the handlers and the doors that are gone."""
        in_force, served, routes_out = self._shared.in_force, self._served, self._routing.routes
        ends: list[Deferred[None]] = []
        in_force.replace(new)
        self._shared.levels.configure(new.log.level)
        self._filters.replace(new, filters)
        self._trust.renew(material, in_force.tls)
        for name in (*served.components, *served.handlers, *served.singles):
            if isinstance(new.domains.get(name), _SERVED_HERE):
                continue
            served.router.detach(name)
            ends += self._end_handlers(name)
            _dismiss(served.components.pop(name, None), StreamCondition.HOST_GONE)
        for name, route in routes.items():
            disowned = _secret(self._old, name) != _secret(new, name)
            _dismiss(served.components.pop(name, None), StreamCondition.RESET, disowned=disowned)
            ends += self._end_handlers(name)  # a component replaces them; other handlers have already stopped them
            served.attach(name, route)
        self._tell_privileges(new, served.components.keys() - routes.keys())
        for route in routes_out:
            route.terms = in_force.route_terms(route.pair.target)
            if route.pair.sender in new.domains:
                route.reopen()
            elif route.pair.sender in self._old.domains:
                route.close(f"{route.pair.sender} is no longer one of our domains")
        self._routing.backoff.forget()  # attempts that failed may succeed now
        for route in routes_out:
            route.retry()
        ends += self._shut_old_doors(new)
        for new_door in opened:
            self._shared.endpoints.addService(new_door)
        return ends

    def _end_handlers(self, name: Domain) -> list[Deferred[None]]:
        """Forget what serves a domain in this process; return its end."""
        handlers, single = self._served.handlers.pop(name, None), self._served.singles.pop(name, None)
        if single is not None:
            _dismiss(single.route, StreamCondition.RESET)
        return [each.stop() for each in (handlers, single) if each is not None]

    def _tell_privileges(self, new: Settings, components: Iterable[Domain]) -> None:
        """Tell the components whose privileges have changed, or what is delegated to them."""
        for name in components:
            before, after = self._old.domains.get(name), new.domains.get(name)
            if not isinstance(before, ComponentDomain) or not isinstance(after, ComponentDomain):
                continue
            for managed in before.privileges.keys() - after.privileges.keys():
                for stanza in withdrawal(name, managed):
                    self._served.router.route(stanza)
            for managed in before.delegations.keys() - after.delegations.keys():
                for stanza in end_of_delegation(name, managed):
                    self._served.router.route(stanza)
            if (before.privileges, before.delegations) != (after.privileges, after.delegations):
                self._served.components[name].send_greeting()
        self._served.router.flush()

    def _shut_old_doors(self, new: Settings) -> Iterator[Deferred[None]]:
        """Yield the ends of the doors that are no longer wanted."""
        wanted = set(new.listen.opened())
        for service in self._shared.endpoints.doors():
            if (service.door, service.endpoint) not in wanted:
                shut = self._shared.endpoints.removeService(service)
                if shut is not None:  # it is None before the gateway has started
                    yield shut

    def _close_what_is_not_allowed(self) -> Iterator[int]:
        """Yield how many streams were closed for each open connection: one or none."""
        in_force = self._shared.in_force
        now = datetime.now(UTC)
        for connection in self._connections():
            facts = connection.stream.facts
            if connection.is_lost or not isinstance(facts, ServerFacts):
                continue
            certificate = judge_peer(self._trust.judge, connection.transport, now) if facts.encrypted else None
            if certificate is not None and isinstance(facts.certificate, CertificateVerdict):
                certificate = certificate.with_attestations(*facts.certificate.attestations)
            terms = in_force.terms_with(facts.remote) if facts.remote is not None else None
            if facts.role is Role.RECEIVING and facts.remote is not None and self._filters.shut_out(facts.remote):
                terms = None
            error = review(facts, certificate, terms, partial(in_force.speaks_for, facts.remote))
            if error is not None:
                connection.close(error)
            yield int(error is not None)

    def _tell(self, text: str, weight: Level = Level.INFO) -> None:
        self._shared.board.publish(Remark(text=text, weight=weight))


def differences(old: Settings, new: Settings) -> Iterator[str]:
    """Yield the differences, in words."""
    for name in new.domains.keys() - old.domains.keys():
        yield f"{name} is new"
    for name in old.domains.keys() - new.domains.keys():
        yield f"{name} is gone"
    for name in sorted(new.domains.keys() & old.domains.keys()):
        if new.domains[name] != old.domains[name]:
            yield f"{name} has changed"
    for door, endpoint in sorted(set(new.listen.opened()) - set(old.listen.opened())):
        yield f"listen.{door} {endpoint} was opened"
    for door, endpoint in sorted(set(old.listen.opened()) - set(new.listen.opened())):
        yield f"listen.{door} {endpoint} was closed"
    for table, written in (
        ("tls", "[tls]"),
        ("peers", "[peers]"),
        ("filters", "[[filter]]"),
        ("lists", "[lists]"),
        ("log", "[log] level"),
    ):
        if getattr(old, table) != getattr(new, table):
            yield f"{written} has changed"


def _renewed(old: dict[Domain, Identity], new: dict[Domain, Identity]) -> Iterator[str]:
    for name, identity in new.items():
        if name in old and old[name].fingerprint != identity.fingerprint:
            yield f"{name} has a new certificate, valid until {identity.not_after:%Y-%m-%d}"


def _with_fixed(old: Settings, new: Settings) -> Settings:
    """Return the new settings, with everything that cannot change while the service runs as it was."""
    kept = {name: domain for name, domain in new.domains.items() if not isinstance(domain, ImDomain)}
    for name in _accounts(old):
        again = new.domains.get(name)
        kept[name] = again if isinstance(again, ImDomain) else old.domains[name]
    fixed = {table: getattr(old, table) for table in FIXED}
    fixed["log"] = replace(old.log, level=new.log.level)
    return replace(new, domains=kept, **fixed)


def _accounts(settings: Settings) -> set[Domain]:
    return {domain.domain for domain in settings.domains_of(ImDomain)}


def _needs_route(old: DomainSettings | None, new: DomainSettings) -> bool:
    """Return whether the route of the domain must be made again; a new certificate alone does not require it."""
    if old is None or type(old) is not type(new):
        return True
    if isinstance(old, ComponentDomain) and isinstance(new, ComponentDomain):
        return (old.secret.text, old.connections) != (new.secret.text, new.connections)
    return replace(old, certificate=None, key=None) != replace(new, certificate=None, key=None)


def _secret(settings: Settings, name: Domain) -> str | None:
    domain = settings.domains.get(name)
    return domain.secret.text if isinstance(domain, ComponentDomain) else None


def _dismiss(component: ComponentRoute | None, condition: StreamCondition, *, disowned: bool = True) -> None:
    """Close the connections of a component whose domain is gone or has changed; it may come back."""
    if component is not None:
        component.end(StreamError(condition, "the configuration has changed"), disowned=disowned)
