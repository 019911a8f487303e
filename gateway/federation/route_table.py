"""RouteTable: the routes to remote domains. Each is made when it is first needed, and forgotten when it is at rest.

A route that only waits for the next attempt makes room when there are too many: its pair is put aside, with its stanzas
on the disk. So thousands of dead domains take no route from a live one. An eighth of all routes is put aside together;
afterwards those put aside take turns with the others that wait.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from gateway.federation.backoff import Backoff
from gateway.federation.route import RemoteRoute
from gateway.routing.interfaces import IRoute
from gateway.xmpp.addresses import Domain, DomainPair


class RouteTable:
    """The routes to remote domains, one for each pair of domains."""

    def __init__(
        self, make: Callable[[DomainPair], RemoteRoute], backoff: Backoff, *, most: int, crowded_out: IRoute
    ) -> None:
        """`crowded_out` is the route of every pair beyond the first `most`."""
        self.by_pair: dict[DomainPair, RemoteRoute] = {}
        self.aside: dict[DomainPair, None] = {}  # pairs with kept stanzas that wait for a route; the next one first
        self._make = make
        self._backoff = backoff
        self._most = most
        self._at_once = max(1, most // 8)  # put aside together
        self._in_vain = 0  # requests for room until it is looked for again
        self._crowded_out = crowded_out
        self.is_leaving = False

    def __iter__(self) -> Iterator[RemoteRoute]:
        return iter([*self.by_pair.values()])  # a copy: a route that is closed or tried may remove itself

    def route_of(self, pair: DomainPair) -> IRoute:
        """Return the route of a pair, made now if there is none and there is room for it."""
        return self.remote_route_of(pair) or self._crowded_out

    def remote_route_of(self, pair: DomainPair) -> RemoteRoute | None:
        """Return the route of a pair, made now if there is none; None if there are too many."""
        route = self.by_pair.get(pair)
        if route is None and (len(self.by_pair) < self._most or self._makes_room()):
            route = self._new(pair)
        return route

    def _new(self, pair: DomainPair) -> RemoteRoute:
        self.aside.pop(pair, None)
        route = self.by_pair[pair] = self._make(pair)
        if self.is_leaving:
            route.close()
        return route

    def _makes_room(self) -> bool:
        if self._in_vain:
            self._in_vain -= 1
            return False
        if not self.put_aside(self._at_once):
            self._in_vain = self._at_once  # looking at all routes for each stanza would cost too much
            return False
        return True

    def put_aside(self, most: int) -> int:
        """Put aside the first routes that only wait; return how many these were."""
        found = [*islice((route for route in self.by_pair.values() if route.only_waits), most)]
        for route in found:
            route.put_aside()
            del self.by_pair[route.pair]
            self.aside[route.pair] = None
        return len(found)

    def next_aside(self, most: int) -> Iterator[DomainPair]:
        """Yield some of the pairs put aside while there is room for their routes; others that wait give way to them."""
        room = self._most - self._at_once - len(self.by_pair)
        if self.aside and room <= 0:
            room = self.put_aside(most)
        yield from [*islice(self.aside, max(0, min(room, most)))]

    def forget(self, route: RemoteRoute) -> None:
        """Drop a route that is at rest."""
        if self.by_pair.get(route.pair) is route:
            del self.by_pair[route.pair]

    def leading_to(self, domain: Domain) -> list[RemoteRoute]:
        """Return the routes to a remote domain, from any of our domains."""
        return [route for pair, route in self.by_pair.items() if pair.target == domain]

    def reached(self, pair: DomainPair) -> None:
        """Note that a domain has shown itself: send what waits for it now."""
        if not self._backoff:  # nearly always, when a stanza has come
            return
        waited = [self._backoff.reached(whom) for whom in (pair.target, pair)]
        if any(waited):
            for aside in [each for each in self.aside if each.target == pair.target]:
                if (route := self.remote_route_of(aside)) is not None:
                    route.wake()
            for route in self.leading_to(pair.target):
                route.retry()

    def leave(self) -> None:
        """Open no more streams: a route that is still made is closed at once."""
        self.is_leaving = True

    def close(self) -> None:
        """Bounce everything that waits."""
        for route in self:
            route.close()
