"""The porter: who of those that connect to us is let in, before anything is spent on them.

He counts connections, in all, by address, and those that have proved nothing yet, and he limits how fast one address
may come back: somebody whose server reconnects in a tight loop is closed on at once, and costs next to nothing. An IPv6
address counts as its /64, which is what one customer is given.

When too many have proved nothing, the newcomer is let in and the oldest of those of the most crowded address has to
leave: whoever fills us with half-open connections pushes out his own, and a server that comes to prove itself has its
chance.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import Protocol

from gateway.errors import StreamCondition, StreamError
from gateway.notices import Level, Notice, Publish

_MOST_ADDRESSES = 10_000
_TELL_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class TurnedAway(Notice):
    """A connection was closed at once, or with `resource-constraint` before it had proved anything."""

    address: str
    why: str
    untold: int = 0

    @property
    def level(self) -> Level:
        return Level.WARN

    @property
    def sentence(self) -> str:
        more = f" (and {self.untold} before it)" if self.untold else ""
        return f"a connection from {self.address} was turned away{more}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """How many connections are let in, and how fast they may come; 0 connections a minute: as fast as they like."""

    streams: int = 20_000
    per_address: int = 100
    unauthenticated: int = 1000
    per_minute: float = 600


class Guest(Protocol):
    """A connection, as the porter sees it."""

    @property
    def peer_address(self) -> str: ...
    def dismiss(self, error: StreamError) -> None: ...


class Porter:
    """Counts the connections of all doors together."""

    def __init__(self, crowd: Crowd, publish: Publish, seconds: Callable[[], float]) -> None:
        self.crowd = crowd
        self.connections: set[Guest] = set()
        self.unproved: dict[Guest, str] = {}  # in the order in which they came
        self._addresses: dict[Guest, str] = {}
        self._by_address: Counter[str] = Counter()
        self._arrivals = Arrivals()
        self._complaints = Complaints(publish)
        self._seconds = seconds

    def admits(self, host: str) -> bool:
        """Whether one more may come in from that IP address."""
        address, crowd = neighbourhood(host), self.crowd
        why = ""
        if len(self.connections) >= crowd.streams:
            why = f"{crowd.streams} streams are open ([limits] streams)"
        elif self._by_address[address] >= crowd.per_address:
            why = f"{crowd.per_address} streams are open from there ([limits] streams_per_address)"
        elif not self._arrivals.allow(address, crowd.per_minute, self._seconds()):
            why = f"more than {crowd.per_minute:g} came from there in a minute ([limits] connections_per_minute)"
        if why:
            self._complaints.tell(address, why, self._seconds())
        return not why

    def entered(self, connection: Guest) -> None:
        """A connection stands."""
        address = neighbourhood(connection.peer_address.rpartition(":")[0].strip("[]"))
        if len(self.unproved) >= self.crowd.unauthenticated:
            self._make_room()
        self.connections.add(connection)
        self._addresses[connection] = address
        self.unproved[connection] = address
        self._by_address[address] += 1

    def established(self, connection: Guest) -> None:
        """Stanzas may pass on it."""
        self.unproved.pop(connection, None)

    def left(self, connection: Guest) -> None:
        """A connection is gone."""
        if connection in self.connections:
            self.connections.remove(connection)
            self.unproved.pop(connection, None)
            address = self._addresses.pop(connection)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def _make_room(self) -> None:
        crowded, _ = Counter(self.unproved.values()).most_common(1)[0]
        oldest = next(guest for guest, address in self.unproved.items() if address == crowded)
        del self.unproved[oldest]
        why = f"{self.crowd.unauthenticated} streams have proved nothing yet ([limits] unauthenticated_streams)"
        self._complaints.tell(crowded, why, self._seconds())
        oldest.dismiss(StreamError(StreamCondition.RESOURCE_CONSTRAINT, "too many streams have proved nothing yet"))


class Arrivals:
    """How fast connections come from each address: a bucket that holds one minute's worth."""

    def __init__(self, most: int = _MOST_ADDRESSES) -> None:
        self._most = most
        self._paid_until: OrderedDict[str, float] = OrderedDict()

    def allow(self, address: str, per_minute: float, now: float) -> bool:
        """Whether one more may come now; only those that may are counted."""
        if not per_minute:
            return True
        paid_until = max(self._paid_until.pop(address, 0), now - 60) + 60 / per_minute
        allowed = paid_until <= now
        self._paid_until[address] = paid_until if allowed else paid_until - 60 / per_minute
        if len(self._paid_until) > self._most:
            self._paid_until.popitem(last=False)
        return allowed


class Complaints:
    """What is told of those who are turned away: once in a while for each address, with how many there were."""

    def __init__(self, publish: Publish, most: int = _MOST_ADDRESSES) -> None:
        self._publish = publish
        self._most = most
        self._told: OrderedDict[str, tuple[float, int]] = OrderedDict()  # when the last one, and how many since

    def tell(self, address: str, why: str, now: float) -> None:
        """One more was turned away."""
        when, untold = self._told.pop(address, (-_TELL_SECONDS, 0))
        if now - when >= _TELL_SECONDS:
            self._publish(TurnedAway(address=address, why=why, untold=untold))
            when, untold = now, 0
        else:
            untold += 1
        self._told[address] = (when, untold)
        if len(self._told) > self._most:
            self._told.popitem(last=False)


def neighbourhood(host: str) -> str:
    """What counts as one address."""
    if ":" not in host:
        return host
    return str(IPv6Network((host.partition("%")[0], 64), strict=False))
