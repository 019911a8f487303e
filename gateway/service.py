"""The service tree: settings -> everything that runs, as a list of named steps.

The order of the list documents start-up; the steps are in `gateway.run.assembly`, a file for each concern.
Nothing is bound, dialled or read from the network before the service is started.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred

from gateway.config.settings import PeerSettings, Settings
from gateway.federation.route import RemoteRoute
from gateway.net.listen.listening import NotOpened
from gateway.notices.notices import Level, Remark, counted
from gateway.run.assembly.accounts import set_people
from gateway.run.assembly.certificates import load_certificates
from gateway.run.assembly.doors import open_doors, set_doors
from gateway.run.assembly.federation import set_federation
from gateway.run.assembly.operating import remember, set_operating
from gateway.run.assembly.outbox import set_outbox
from gateway.run.assembly.parts import Parts
from gateway.run.assembly.policies import set_policy
from gateway.run.assembly.routing import set_router
from gateway.run.assembly.serving import serve_locally
from gateway.run.assembly.state import prepare_state
from gateway.run.assembly.tools import share_tools
from gateway.run.reloading import Reload
from gateway.run.shutdown import close_in_order
from gateway.timing.steady_time import keep_steady
from gateway.xmpp.addresses import Address, Domain
from gateway.xmpp.errors import ConfigError


class Gateway(Parts):
    """The running gateway: started, steered and stopped."""

    def __init__(self, settings: Settings, reactor: Any) -> None:
        super().__init__(settings, reactor)
        for step in STEPS:
            step(self)

    # -- started and stopped -----------------------------------------------------------------------------------------

    def privilegedStartService(self) -> None:
        self._start(super().privilegedStartService)

    def startService(self) -> None:
        self._start(super().startService)
        for service in self.handlers.values():
            self._start(service.start)  # not before everything is there that a handler may send to
        doors = ", ".join(f"{door} {endpoint}" for door, endpoint in self.settings.listen.opened())
        names = ", ".join(self.settings.domains)
        self._remark(f"answering for {names}; doors: {doors or 'none'}")

    def _start(self, start: Callable[[], None]) -> None:
        """What keeps us from starting is said in words, and is the end."""
        try:
            start()
        except (NotOpened, ConfigError) as problem:
            self._remark(str(problem), Level.ERROR)
            raise SystemExit(1) from None

    def _remark(self, text: str, weight: Level = Level.INFO) -> None:
        self.board.publish(Remark(text=text, weight=weight))

    def stopService(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self._close())

    async def _close(self) -> None:
        """Shut the doors, bounce what waits, close every stream properly, and wait until they are gone."""
        waiting = sum(len(route.outflow) for route in self.remote_routes.values())
        streams = counted(len(self.connections()), "stream")
        self._remark(f"stopping: {streams} to be closed, {counted(waiting, 'stanza')} to be returned to the senders")
        for service in self.handlers.values():
            service.stop()  # while what the handlers say last still finds its way
        self.is_leaving = True  # nothing is opened any more
        await MultiService.stopService(self)
        self.streams.broken.stop()
        for route in list(self.remote_routes.values()):
            route.close()
        await close_in_order(self.connections(), self.reactor)
        await self.people.close()
        await self.kept.close()
        self._remark("stopped")

    # -- steered -----------------------------------------------------------------------------------------------------

    def peer(self, domain: Domain) -> PeerSettings:
        """How we deal with a domain."""
        return self.rules.peer(domain)

    def routes_to(self, domain: Domain) -> list[RemoteRoute]:
        """The ways to a remote domain."""
        return [route for pair, route in self.remote_routes.items() if pair.target == domain]

    def forget_names(self) -> None:
        """Ask the DNS afresh."""
        self.resolver.forget()

    def close_account(self, account: Address) -> int:
        """Close the streams of an account of ours; how many there were."""
        return self.people.close_account(account)

    def reload(self) -> Deferred[dict[str, Any]]:
        """Take over the configuration as it is now; fails with Refused, and changes nothing, on a mistake in it."""

        def done(result: Any) -> Any:
            self.supervised.reloaded("reloaded; the log tells the outcome")
            return result

        self.supervised.reloading()
        return Deferred.fromCoroutine(Reload(self).run()).addBoth(done)


def let_be_steered(gateway: Gateway) -> None:
    """Give operators their doors to the gateway."""
    set_operating(gateway, steered=gateway)


STEPS: Sequence[Callable[[Gateway], None]] = (
    remember,
    prepare_state,
    share_tools,
    load_certificates,
    set_policy,
    set_outbox,
    set_router,
    serve_locally,
    set_people,
    set_federation,
    set_doors,
    let_be_steered,
    open_doors,
)


def build(settings: Settings, reactor: Any) -> Gateway:
    """The service for these settings; starting it opens the doors."""
    keep_steady(reactor)
    return Gateway(settings, reactor)
