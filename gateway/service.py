"""The service tree: from the settings to everything that runs, as a list of named steps.

The order of the list documents start-up; the steps are in `gateway.run.assembly`, one file for each concern. Nothing is
bound, dialled or read from the network before the service is started.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from twisted.application.service import MultiService
from twisted.internet.defer import CancelledError, Deferred, DeferredList, DeferredLock, fail
from twisted.internet.interfaces import IProtocolFactory
from twisted.python.failure import Failure

from gateway.components.route import ComponentRoute
from gateway.components.single import SingleService
from gateway.config.settings import PeerSettings, Settings
from gateway.federation.backoff import Backoff
from gateway.federation.route import RemoteRoute
from gateway.handlers.route import HandlerRoute
from gateway.im.announcing import Announcement
from gateway.net.connection.protocol import StreamProtocol
from gateway.net.listen.listening import NotOpened
from gateway.notices.attempts.known_keys import KnownKeys
from gateway.notices.notices import Level, Remark, counted
from gateway.operations.control.door import CommandRefused
from gateway.operations.history import History
from gateway.operations.known_keys_file import FILE as KNOWN_KEYS
from gateway.operations.known_keys_file import KnownKeysFile
from gateway.operations.log import LogLevels
from gateway.outbox.keeper import Keeper
from gateway.run.assembly.accounts import host_accounts
from gateway.run.assembly.border import Filters
from gateway.run.assembly.certificates import load_certificates
from gateway.run.assembly.doors import make_doors, open_doors
from gateway.run.assembly.federation import federate
from gateway.run.assembly.importing import import_outbox
from gateway.run.assembly.joining import join_cluster, take_over
from gateway.run.assembly.operating import let_operators_in, observe
from gateway.run.assembly.outbox import Kept
from gateway.run.assembly.policies import make_policies
from gateway.run.assembly.privileges import greeting_of
from gateway.run.assembly.routing import route_stanzas
from gateway.run.assembly.serving import serve_locally
from gateway.run.assembly.shared import share
from gateway.run.assembly.state import prepare_state
from gateway.run.reloading import Reload
from gateway.run.shutdown import close_in_order
from gateway.timing.reactor import IReactor
from gateway.timing.steady_time import keep_steady
from gateway.timing.timers import Timer
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.errors import ConfigError

REVIEW_SECONDS = 1.0


class Gateway(MultiService):
    """The running gateway: started, controlled and stopped."""

    def __init__(self, settings: Settings, reactor: IReactor) -> None:
        """Assemble the gateway step by step; each step returns parts made from the earlier ones."""
        super().__init__()
        shared = self.shared = share(settings, reactor)
        self._review = Timer(reactor)
        keys = prepare_state(shared)
        trust = self.trust = load_certificates(shared)
        # Domains that the filters shut out are refused at the header. The filters are made below, before any stream.
        policies = make_policies(shared, keys, shut_out=lambda domain: self.filters.shut_out(domain))
        # A route opens streams, and the stanzas of a stream are routed: this closes the cycle, once both are made.
        routing = self.routing = route_stanzas(shared, open_stream=lambda pair: self.federation.streams.open(pair))
        served = self.served = serve_locally(
            shared,
            routing,
            store=lambda: self.people.store,
            greeting=lambda component: greeting_of(shared, self.people, component),
        )
        self.cluster = join_cluster(shared, routing, served)
        self.kept = Kept(shared, routing, served)
        people = self.people = host_accounts(shared, routing, served, self.cluster)
        filters = self.filters = Filters(shared, routing, store=lambda: people.store)
        federation = self.federation = federate(shared, trust, policies, routing, self._revoked)
        self.reception = make_doors(shared, trust, policies, routing, served, people, federation)
        if self.cluster is not None:
            self.cluster.move_streams(self.reception.resumable_streams, federation.streams.broken)
        self._one_reload = DeferredLock()
        self._reloads: set[Deferred[Any]] = set()
        self.refused_reload = ""  # why the last reload was refused, until one succeeds
        observation = observe(
            shared, trust, routing, served, people, federation, filters, self.connections, lambda: self.refused_reload
        )
        self.status = observation.status
        operating = self.operating = let_operators_in(
            shared,
            steered=self,
            observation=observation,
            filters=filters,
            cluster=self.cluster,
            join=self.addService,
        )
        endpoints = open_doors(shared, self.factory_of)
        for service in (self.kept, people, filters, operating.control, endpoints, operating.supervised):
            self.addService(service)
        self.addService(observation.rounds)
        if self.cluster is not None:
            self.addService(self.cluster)
            if (takeover := take_over(shared, self.cluster, self.kept)) is not None:
                self.addService(takeover)
        self.addService(federation.revocations)
        keys_file = settings.gateway.state / KNOWN_KEYS
        self.addService(KnownKeysFile(federation.known_keys, keys_file, reactor, shared.board.publish))

    # -- started and stopped -----------------------------------------------------------------------------------------

    def privilegedStartService(self) -> None:
        self._start(super().privilegedStartService)

    def startService(self) -> None:
        self._start(super().startService)
        for service in self.served.running():
            self._start_handlers(service)  # only when everything that a handler may send to is there
        doors = ", ".join(f"{door} {endpoint}" for door, endpoint in self.shared.settings.listen.opened())
        names = ", ".join(self.shared.settings.domains)
        self._remark(f"answering for {names}; ports: {doors or 'none'}")

    def _start_handlers(self, route: HandlerRoute | SingleService) -> None:
        """Start the handlers of a domain; the gateway does not start if they fail at once.

        If they fail later, the operator sees why, and the other domains continue.
        """
        failed: list[Failure] = []
        started = route.start()
        started.addErrback(failed.append)
        if failed:
            self._start(failed[0].raiseException)
        started.addCallback(lambda _: self._failed_later(failed))

    def _failed_later(self, failed: list[Failure]) -> None:
        for failure in failed:
            if not failure.check(CancelledError):  # it was stopped before it had started
                self._remark(f"{failure.getErrorMessage()}; reload to retry", Level.ERROR)

    def _start(self, start: Callable[[], None]) -> None:
        """Log the reason why the service cannot start, and stop."""
        try:
            start()
        except (NotOpened, ConfigError) as problem:
            self._remark(str(problem), Level.ERROR)
            raise SystemExit(1) from None

    def _remark(self, text: str, weight: Level = Level.INFO) -> None:
        self.shared.board.publish(Remark(text=text, weight=weight))

    def stopService(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        """Close the ports, bounce the waiting stanzas, close every stream properly, and wait until they are gone."""
        waiting = sum(route.in_memory for route in self.routing.routes)
        streams = counted(len(self.connections()), "stream")
        self._remark(f"stopping: {streams} to close, {counted(waiting, 'stanza')} to return to the senders")
        for reload in list(self._reloads):
            reload.cancel()  # it may be waiting for a service that starts or stops slowly
        ends = [route.stop() for route in self.served.running()]
        await DeferredList(ends)  # while the last stanzas of the handlers can still be sent
        if self.cluster is not None:
            await self.cluster.depart()
        self.routing.routes.leave()
        self._review.stop()
        await MultiService.stopService(self)
        self.federation.streams.broken.stop()
        self.routing.routes.close()
        await close_in_order(self.connections(), self.shared.reactor)
        if self.cluster is not None:
            await self.cluster.leave()
        await self.people.close()
        await self.kept.close()
        self._remark("stopped")

    def connections(self) -> list[StreamProtocol]:
        """Return all connections, incoming ones first."""
        opened = [*self.federation.streams, *self.federation.verifier]
        known = [*self.reception.connection_limits.connections, *(session.connection for session in opened)]
        return cast(list[StreamProtocol], known)  # doors and connectors make no others

    def factory_of(self, door: str) -> IProtocolFactory:
        """Return the factory behind a key of `[listen]`; that of the http port is made when it is first asked for."""
        return self.operating.page() if door == "http" else self.reception.doors[door]

    # -- steered -----------------------------------------------------------------------------------------------------

    @property
    def history(self) -> History:
        """The past attempts at streams."""
        return self.shared.history

    @property
    def known_keys(self) -> KnownKeys:
        """The keys that other domains have shown."""
        return self.federation.known_keys

    @property
    def levels(self) -> LogLevels:
        """The levels of the log that are in force."""
        return self.shared.levels

    @property
    def backoff(self) -> Backoff:
        """The domains that are not tried for a while."""
        return self.routing.backoff

    @property
    def keeper(self) -> Keeper:
        """The keeper of stanzas for other servers."""
        return self.routing.keeper

    def peer(self, domain: Domain) -> PeerSettings:
        """Return the settings for a peer."""
        return self.shared.in_force.peer(domain)

    def origins(self, domain: Domain) -> dict[str, str]:
        """Return for each key of a peer's settings which entry of the configuration sets it."""
        return self.shared.in_force.origins(domain)

    def routes_to(self, domain: Domain) -> list[RemoteRoute | ComponentRoute]:
        """Return the routes to a domain for which stanzas may be kept."""
        component = self.served.placed_route(domain)
        return [*self.routing.routes.leading_to(domain), *([component] if component is not None else [])]

    def forget_names(self) -> None:
        """Drop all cached DNS answers."""
        self.federation.resolver.forget()

    def filters_about(self, domain: Domain) -> list[str]:
        """Return the names of the rules that can apply to stanzas from an outside domain, or to it."""
        return self.filters.border.rules_about(domain)

    def close_account(self, account: Address) -> int:
        """Close the streams of one of our accounts; return how many there were."""
        return self.people.close_account(account)

    def import_outbox(self, path: Path) -> Deferred[dict[str, Any]]:
        """Move what another gateway has kept in a file to the outbox of this one, a part at a time."""
        return Deferred.fromCoroutine(import_outbox(path, self.kept, self.shared))

    def announce(self, announcement: Announcement, domain: Domain | None = None) -> Deferred[int]:
        """Announce something in a domain with accounts, or in all of them; return the number of accounts.

        Fail with CommandRefused if the domain has no accounts here.
        """
        domains = self.people.policy.domains
        if not domains or (domain is not None and domain not in domains):
            return fail(CommandRefused(f"{domain or 'this gateway'} has no accounts here"))
        asked = sorted(domains) if domain is None else [domain]
        return Deferred.fromCoroutine(self.people.announcer.announce(announcement, asked))

    def reload(self) -> Deferred[dict[str, Any]]:
        """Reload the configuration; on a mistake in it, fail with CommandRefused and change nothing."""

        supervised = self.operating.supervised

        def done(result: Any) -> Any:
            self._reloads.discard(one)
            refused = isinstance(result, Failure)
            why = "; ".join(result.getErrorMessage().splitlines()) if refused else ""
            self.refused_reload = why.removeprefix("nothing has changed: ")
            supervised.reloaded(f"the reload was refused: {self.refused_reload}" if refused else "reloaded")
            return result

        supervised.reloading()
        one: Deferred[dict[str, Any]] = self._one_reload.run(lambda: Deferred.fromCoroutine(self._new_reload().run()))
        self._reloads.add(one)
        return one.addBoth(done)

    def _revoked(self) -> None:
        """Review the open streams soon. A new revocation list seldom comes alone, so wait a moment for the others."""
        self._review.start(REVIEW_SECONDS, self._review_streams)

    def _review_streams(self) -> None:
        Deferred.fromCoroutine(self._new_reload().review())

    def _new_reload(self) -> Reload:
        return Reload(
            shared=self.shared,
            trust=self.trust,
            routing=self.routing,
            served=self.served,
            factory_of=self.factory_of,
            connections=self.connections,
            filters=self.filters,
        )


def build(settings: Settings, reactor: IReactor) -> Gateway:
    """Return the service for these settings; starting it opens the ports."""
    keep_steady(reactor)
    return Gateway(settings, reactor)
