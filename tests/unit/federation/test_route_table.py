"""RouteTable: pairs that only wait for their next attempt take no route from others, however many they are."""

from __future__ import annotations

from typing import Any

from gateway.federation.delivery_failures import OUT_OF_REACH, DeliveryFailed
from gateway.federation.route import RemoteRoute
from gateway.federation.route_table import RouteTable
from gateway.outbox.keeper import Keeper
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import OutboxLimits
from gateway.routing.disposition import Disposition
from gateway.xmpp.addresses import Domain, DomainPair
from tests.support.trees import stanza
from tests.unit.federation.test_kept_route import KEPT, START, KeptRouteHarness

MOST = 16


class TableHarness(KeptRouteHarness):
    """A table of few routes, over an outbox."""

    def __init__(self) -> None:
        super().__init__(KEPT, MemoryOutbox(limits=OutboxLimits()))
        self.keeper = Keeper(self.clock, lambda: START + self.clock.seconds())
        self.keeper.outbox = self.outbox
        self.crowded_out: Any = object()
        self.table = RouteTable(self._make, self.backoff, most=MOST, crowded_out=self.crowded_out)

    def _make(self, pair: DomainPair) -> RemoteRoute:
        return RemoteRoute(
            pair,
            KEPT,
            open_stream=self.open,
            router=self.router,
            backoff=self.backoff,
            space=self.space,
            clock=self.clock,
            publish=self.notices.append,
            at_rest=self.table.forget,
            keeper=self.keeper,
        )

    def fail_all(self) -> None:
        """Let time pass, and every attempt fail."""
        self.clock.advance(20)
        for opening in self.openings:
            if not opening.called:
                opening.errback(DeliveryFailed("out of reach", OUT_OF_REACH))

    def dead(self, number: int) -> DomainPair:
        """Have a stanza wait for a domain that is out of reach."""
        pair = DomainPair(Domain("here.test"), Domain(f"{number}.dead.test"))
        route = self.table.route_of(pair)
        assert isinstance(route, RemoteRoute)
        route.deliver(stanza(f"<message from='a@here.test' to='b@{pair.target}'><body>{number}</body></message>"))
        route.flush()
        self.openings[-1].errback(DeliveryFailed("out of reach", OUT_OF_REACH))
        assert route.disposition is Disposition.WAITING
        return pair


def live(number: int) -> DomainPair:
    return DomainPair(Domain("here.test"), Domain(f"{number}.live.test"))


def test_dead_domains_take_no_route_from_a_live_one() -> None:
    harness = TableHarness()
    pairs = [harness.dead(number) for number in range(3 * MOST)]
    for number in range(MOST):
        assert isinstance(harness.table.route_of(live(number)), RemoteRoute)
    assert len(harness.table.by_pair) <= MOST
    assert set(pairs) <= {*harness.table.by_pair, *harness.table.aside}
    assert all(harness.keeper.waiting(pair) == 1 for pair in pairs)


def test_a_route_that_does_more_than_wait_is_not_put_aside() -> None:
    harness = TableHarness()
    for number in range(MOST):
        route = harness.table.route_of(live(number))
        assert isinstance(route, RemoteRoute)
        route.deliver(stanza(f"<iq type='get' id='1' from='a@here.test' to='b@{number}.live.test'/>"))
        route.flush()
    assert harness.table.route_of(live(MOST)) is harness.crowded_out
    assert not harness.table.aside


def test_those_put_aside_take_turns() -> None:
    harness = TableHarness()
    pairs = {harness.dead(number) for number in range(3 * MOST)}
    woken = set()
    for _ in range(3 * MOST):
        for pair in harness.table.next_aside(4):
            route = harness.table.remote_route_of(pair)
            assert route is not None
            route.wake()
            woken.add(pair)
        harness.fail_all()
        assert len(harness.table.by_pair) <= MOST
        assert pairs == {*harness.table.by_pair, *harness.table.aside}
    assert woken == pairs


def test_a_domain_that_shows_itself_is_tried_at_once_although_it_was_put_aside() -> None:
    harness = TableHarness()
    first, *_ = [harness.dead(number) for number in range(2 * MOST)]
    assert first in harness.table.aside
    tried = len(harness.openings)
    harness.table.reached(first)
    assert first not in harness.table.aside
    assert len(harness.openings) == tried + 1


def test_a_stanza_for_a_pair_that_was_put_aside_goes_behind_its_kept_ones() -> None:
    harness = TableHarness()
    first, *_ = [harness.dead(number) for number in range(2 * MOST)]
    route = harness.table.route_of(first)
    assert isinstance(route, RemoteRoute)
    route.deliver(stanza(f"<message from='a@here.test' to='b@{first.target}'><body>more</body></message>"))
    route.flush()
    assert harness.keeper.waiting(first) == 2
    assert first not in harness.table.aside


def test_a_route_at_rest_does_not_forget_its_successor() -> None:
    harness = TableHarness()
    old = harness.table.remote_route_of(live(1))
    assert old is not None
    harness.table.forget(old)
    new = harness.table.remote_route_of(live(1))
    harness.table.forget(old)
    assert harness.table.by_pair[live(1)] is new
