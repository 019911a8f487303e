"""The outbox of the running gateway: it is opened, its domains are tried again, and its stanzas expire in time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from itertools import chain
from typing import Any

from twisted.application.service import Service
from twisted.python.failure import Failure

from gateway.config.settings import ComponentDomain, RelayDomain
from gateway.federation.route import RemoteRoute
from gateway.notices.notices import Level, OutboxChanged, Remark, counted
from gateway.outbox.conditions import Condition
from gateway.outbox.endings import expired
from gateway.outbox.errors import ignore_failure
from gateway.outbox.interfaces import IOutbox
from gateway.outbox.opening import open_outbox, schema_of
from gateway.outbox.records import ExpiredStanza, OutboxLimits, PairState
from gateway.outbox.retention import name_of
from gateway.routing.disposition import Disposition
from gateway.run.assembly.routing import Routing
from gateway.run.assembly.serving import Served
from gateway.run.assembly.shared import Shared
from gateway.timing.timers import Timer
from gateway.xmpp.addresses import Domain, DomainPair
from gateway.xmpp.stanzas import restored

OPENING_SECONDS = 10.0
"""How long everything waits at the start for an outbox that cannot be opened; it is tried three times more."""
OPENINGS = 50
"""The number of domains tried at a time after the start."""
_TURN_SECONDS = 0.25
_REST_SECONDS = 60.0
_BACK_SECONDS = 30.0  # after the start before anything expires, so that components are back to get their errors
_AGE_SECONDS = 5.0  # between two readings of the oldest stanza's age
_IDLE_ROUNDS = 2  # of them, of which one is made though nothing waits: a server may be gone
SLICE = 50  # stanzas that expire in one turn: two hundred a second


class Kept(Service):
    """The service that opens the outbox, wakes the routes of its stanzas, and ends stanzas that have waited too long.

    It opens the file when it is started, because the process may give up privileges before that.
    """

    def __init__(self, shared: Shared, routing: Routing, served: Served) -> None:
        self.setName("outbox")
        self._shared = shared
        self._routing = routing
        self._served = served
        self._keeper = routing.keeper
        self._woken: list[RemoteRoute] = []
        self._timer = Timer(shared.reactor)
        self._next_turn = 0.0
        self._next_look = 0.0
        self._next_age = 0.0
        self._idle_rounds = 0
        self._is_looking = False
        self._is_known = False  # what earlier processes have kept
        self._patience = Timer(shared.reactor)

    def startService(self) -> None:
        super().startService()
        settings = self._shared.settings
        self._keeper.outbox = open_outbox(
            settings.outbox.url,
            settings.gateway.state,
            self._shared.reactor,
            limits=OutboxLimits(bytes=settings.outbox.bytes),
            key_file=settings.outbox.key_file,
            tell=self._tell,
            tell_damaged=self._tell_damaged,
            tell_opened=self._opened,
            schema=self._schema,
        )
        if self._keeper.outbox.condition.is_ready:
            self._is_known = True
            self._find_pairs(self._keeper.outbox)
        else:
            self._keeper.begin_opening()
            self._patience.start(OPENING_SECONDS, self._go_without)
        rest = min(_BACK_SECONDS, self._shortest() / 10)
        self._next_look = self._shared.reactor.seconds() + rest
        self._keeper.expiry_begins = self._shared.time_of_day() + rest
        self._await_turn()

    @property
    def _schema(self) -> str | None:
        """Return where the outbox of this node is on a server; None without a cluster, or with a file."""
        cluster = self._shared.settings.cluster
        return schema_of(self._shared.settings.outbox.url, cluster.name, cluster.node) if cluster is not None else None

    @property
    def outbox(self) -> IOutbox | None:
        """The outbox, once it is open."""
        return self._keeper.outbox

    def stopService(self) -> None:
        self._timer.stop()
        self._patience.stop()
        if self._keeper.is_opening:
            self._keeper.end_opening(self._tell_routes)
        super().stopService()

    async def close(self) -> None:
        """Write what is left and close the file, once nobody has anything more to keep."""
        outbox = self._keeper.outbox
        if outbox is not None:
            if outbox.stanzas:
                self._shared.board.publish(Remark(text=f"{counted(outbox.stanzas, 'stanza')} kept in the outbox"))
            await outbox.close()

    def learn(self, pair: DomainPair) -> None:
        """Send what another node has left for a pair, and what is in our outbox now."""
        if (component := self._served.placed_route(pair.target)) is not None:
            component.learn(pair)
        elif (route := self._routing.routes.by_pair.get(pair)) is not None:
            route.learn()
        elif self._leads_out(pair.target):
            self._routing.routes.aside[pair] = None
            self._wake()

    def hold(self, domains: Collection[Domain]) -> None:
        """Send nothing to domains that the outbox has as held: of an earlier process, or of a node that is gone."""
        self._keeper.held.update(domains)
        for route in [*self._routing.routes, *self._served.placed.values()]:
            if route.target in domains:
                route.hold()

    # -- the condition of the file -----------------------------------------------------------------------------------

    def _tell(self, condition: Condition, detail: str) -> None:
        if condition is Condition.CLOSED or (condition.is_ready and self._keeper.outbox is None):
            return  # the normal condition at the end, and at the beginning
        self._shared.board.publish(
            OutboxChanged(
                word=condition.word,
                text=condition.sentence,
                detail=detail,
                remedy=condition.remedy,
                is_well=condition.is_ready,
            )
        )
        if condition.is_ready and self._keeper.outbox is not None:  # the outbox may hold more than we know of
            self._find_pairs(self._keeper.outbox)
            for component in self._served.placed.values():
                component.look()

    def _tell_damaged(self, rows: int) -> None:
        text = f"the outbox had to set aside {counted(rows, 'row')} that cannot be read; the rest is sent"
        self._shared.board.publish(Remark(text=text, weight=Level.ERROR))

    # -- the first opening -------------------------------------------------------------------------------------------

    def _opened(self) -> None:
        """Let everything continue that has waited for the outbox since the start."""
        outbox = self._keeper.outbox
        if outbox is None or self._is_known:
            return
        self._is_known = True
        self._patience.stop()
        if not self._keeper.is_opening and outbox.stanzas:
            stanzas = counted(outbox.stanzas, "stanza")
            text = f"the outbox can now be read: {stanzas} of an earlier run may arrive after newer ones"
            self._shared.board.publish(Remark(text=text, weight=Level.WARN))
        self._keeper.end_opening(self._tell_routes)
        self._find_pairs(outbox)

    def _go_without(self) -> None:
        """Leave everything in memory, because the outbox could not be opened for too long."""
        text = (
            f"the outbox could not be opened for {OPENING_SECONDS:g} s: stanzas wait in memory only, and those of an"
            " earlier run may arrive after newer ones"
        )
        self._shared.board.publish(Remark(text=text, weight=Level.ERROR))
        self._keeper.end_opening(self._tell_routes)

    def _tell_routes(self) -> None:
        for route in [*self._routing.routes, *self._served.placed.values()]:
            route.outbox_opened()

    # -- stanzas kept by an earlier process --------------------------------------------------------------------------

    def _find_pairs(self, outbox: IOutbox) -> None:
        outbox.pairs().addCallbacks(partial(self._found_pairs, outbox), ignore_failure)

    def _found_pairs(self, outbox: IOutbox, pairs: Sequence[PairState]) -> None:
        """Wake the pairs, the oldest first; those that already have a route are being tried."""
        aside, known = self._routing.routes.aside, self._routing.routes.by_pair
        aside.update(
            {each.pair: None for each in pairs if self._leads_out(each.pair.target) and each.pair not in known}
        )
        for pair in (each.pair for each in pairs):
            if (component := self._served.placed_route(pair.target)) is not None:
                component.know(pair)
        outbox.held().addCallbacks(self._found_held, ignore_failure).addCallback(lambda _: self._wake())

    def _leads_out(self, target: Domain) -> bool:
        """Return whether a stream to that domain is ours to open: a component connects by itself."""
        domains = self._shared.in_force.domains
        return not domains.is_own(target) or domains.relayed_terms(target) is not None

    def _found_held(self, domains: frozenset[Domain]) -> None:
        """Restore the operator's holds, also on routes that were made before the outbox had answered."""
        self.hold(domains)

    def _wake(self) -> None:
        self._await_turn()
        self._woken = [route for route in self._woken if route.disposition is Disposition.QUEUEING]
        routes = self._routing.routes
        if routes.is_leaving:
            return
        for pair in routes.next_aside(OPENINGS - len(self._woken)):
            if not self._keeper.waiting(pair):
                del routes.aside[pair]
                continue
            route = routes.remote_route_of(pair)
            if route is None:
                return
            route.wake()
            if route.disposition is Disposition.QUEUEING:
                self._woken.append(route)

    # -- stanzas that have waited too long ---------------------------------------------------------------------------

    def _await_turn(self) -> None:
        """Make the next turn come when something is due, so that nothing wakes a gateway that has nothing to do.

        Routes that are put aside meanwhile can wait: they were waiting for their next attempt anyway.
        """
        now = self._shared.reactor.seconds()
        due = now + _TURN_SECONDS
        if not self._routing.routes.aside:
            due = max(due, self._next_age if self._is_looking else min(self._next_age, self._next_look))
        if self.running and (due < self._next_turn or not self._timer.is_running):
            self._next_turn = due
            self._timer.start(due - now, self._turn)

    def _turn(self) -> None:
        if self._routing.routes.aside:
            self._wake()
        self._look()
        self._await_turn()

    def _look(self) -> None:
        now = self._shared.reactor.seconds()
        outbox = self._keeper.outbox
        if outbox is not None and now >= self._next_age:
            self._next_age = now + _AGE_SECONDS
            self._look_for_oldest(outbox)
        if outbox is None or self._is_looking or now < self._next_look:
            return
        self._is_looking = True
        outbox.expired(self._shared.time_of_day(), SLICE).addCallbacks(self._expire, ignore_failure).addBoth(
            self._looked
        )

    def _look_for_oldest(self, outbox: IOutbox) -> None:
        if outbox.stanzas:
            self._idle_rounds = 0
        else:
            self._keeper.oldest = None
            self._idle_rounds += 1
            if self._idle_rounds % _IDLE_ROUNDS:
                return

        def found(accepted: float | None) -> None:
            self._keeper.oldest = accepted

        outbox.oldest().addCallbacks(found, ignore_failure)

    def _looked(self, result: Any) -> Any:
        self._is_looking = False
        self._await_turn()
        return result if isinstance(result, Failure) else None

    def _expire(self, stanzas: Sequence[ExpiredStanza]) -> None:
        router = self._routing.router
        ended = [each for each in stanzas if not self._is_being_sent(each)]
        rest = _TURN_SECONDS if stanzas else min(_REST_SECONDS, self._shortest() / 10)
        self._next_look = self._shared.reactor.seconds() + rest
        for each in ended:
            name = name_of(each.raw)
            router.bounce(restored(name, each.raw), expired(each.pair.target, each.accepted))
        self._keeper.counts["expired"] += len(ended)
        router.flush()  # before they are gone from the disk
        if ended and self._keeper.outbox is not None:
            self._keeper.outbox.remove([each.number for each in ended]).addErrback(ignore_failure)

    def _is_being_sent(self, each: ExpiredStanza) -> bool:
        component = self._served.placed_route(each.pair.target)
        if component is not None and component.has_hold_of(each.pair, each.number):
            return True
        route = self._routing.routes.by_pair.get(each.pair)
        return route is not None and route.has_hold_of(each.number)

    def _shortest(self) -> float:
        """Return the shortest time for which anything is kept, in seconds: stanzas end at most a tenth of it late."""
        settings = self._shared.settings
        peers = [settings.peers.any, *settings.peers.entries.values()]
        peers += [relay.peer for relay in settings.domains_of(RelayDomain)]
        components = settings.domains_of(ComponentDomain)
        return 3600 * min(chain((each.keep_hours for each in peers), (each.keep_hours for each in components)))
