"""RouteTable: the routes to remote domains. Each is made when it is first needed, and forgotten when it is at rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
        self._make = make
        self._backoff = backoff
        self._most = most
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
        if route is None and len(self.by_pair) < self._most:
            route = self._new(pair)
        return route

    def _new(self, pair: DomainPair) -> RemoteRoute:
        route = self.by_pair[pair] = self._make(pair)
        if self.is_leaving:
            route.close()
        return route

    def forget(self, route: RemoteRoute) -> None:
        """Drop a route that is at rest."""
        self.by_pair.pop(route.pair, None)

    def leading_to(self, domain: Domain) -> list[RemoteRoute]:
        """Return the routes to a remote domain, from any of our domains."""
        return [route for pair, route in self.by_pair.items() if pair.target == domain]

    def reached(self, pair: DomainPair) -> None:
        """Note that a domain has shown itself: send what waits for it now."""
        if not self._backoff:  # nearly always, when a stanza has come
            return
        waited = [self._backoff.reached(whom) for whom in (pair.target, pair)]
        if any(waited):
            for route in self.leading_to(pair.target):
                route.retry()

    def leave(self) -> None:
        """Open no more streams: a route that is still made is closed at once."""
        self.is_leaving = True

    def close(self) -> None:
        """Bounce everything that waits."""
        for route in self:
            route.close()
