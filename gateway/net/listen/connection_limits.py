"""Connection limits: which connections are let in, before anything is spent on them.

Connections are counted: in all, by address, and those that have proved nothing yet. The rate at which one address may
come back is limited, so that a server that reconnects in a tight loop costs next to nothing. An IPv6 address counts as
its /64, which is what one customer gets. Many domains of one hoster share an address, so a stream that has proved
something no longer counts among the unproved ones of its address, but against a limit ten times as high. A connection
that is turned away gets a stream error that says why.

When too many have proved nothing, the new connection is let in and the oldest of the address with the most has to
leave: an address that fills us with half-open connections pushes out its own, and a server that wants to prove itself
has its chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from gateway.bounds.tables import Rates, Seldom, address_of, neighbourhood
from gateway.notices.notices import Level, Notice, Publish, counted
from gateway.xmpp.errors import StreamCondition, StreamError

_TELL_SECONDS = 10.0
PROVED_FACTOR = 10
"""How many proved streams one address may have for each unproved one."""


@dataclass(frozen=True, kw_only=True)
class Complaint(Notice):
    """Somebody is refused for now; `untold` counts those left out since the last such notice."""

    address: str
    why: str
    untold: int = 0

    level = Level.WARN

    @property
    def cause(self) -> str:
        """One cause for all of them together, because there can be any number of addresses."""
        return "connections that were turned away"


@dataclass(frozen=True, kw_only=True)
class TurnedAway(Complaint):
    """A connection was closed at once, or with `resource-constraint` before it had proved anything."""

    @property
    def sentence(self) -> str:
        more = f" (and {self.untold} before it)" if self.untold else ""
        return f"a connection from {self.address} was turned away{more}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class NotDialled(Complaint):
    """We opened no stream to the domain `address`, because there are too many."""

    @property
    def sentence(self) -> str:
        more = f" (and {counted(self.untold, 'time')} before)" if self.untold else ""
        return f"no stream was opened to {self.address}{more}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """The limits on connections, and on their rate; 0 connections a minute means unlimited."""

    per_address: int = 100
    unauthenticated: int = 1000
    per_minute: float = 600


MOST_REFUSALS = 100
"""The refused connections that get a reason at the same time; fewer if few streams are allowed, because each takes a
file descriptor.
"""


class Places:
    """The places shared by all streams, those that others open to us and those that we open."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0
        self.ours = 0  # the number that we have opened

    @property
    def are_left(self) -> bool:
        """Return whether others may open one more stream."""
        return self.taken < self.most

    @property
    def are_left_for_us(self) -> bool:
        """Return whether we may open one more: others can make us do that, so a quarter is reserved for incoming
        streams.
        """
        return self.are_left and self.ours < self.most - self.most // 4

    def take(self) -> None:
        """Take a place."""
        self.taken += 1

    def give_back(self) -> None:
        """Release a place."""
        self.taken -= 1


class LimitedConnection(Protocol):
    """A connection, as it is counted here."""

    @property
    def peer_address(self) -> str: ...
    def dismiss(self, error: StreamError) -> None: ...


class ConnectionLimits:
    """Counts the connections on all ports together."""

    def __init__(self, crowd: Crowd, places: Places, publish: Publish, seconds: Callable[[], float]) -> None:
        self.crowd = crowd
        self.connections: set[LimitedConnection] = set()
        self.being_refused = 0  # connections on all ports that are being sent the reason for their refusal
        self.unproved = Unproved()
        self._places = places
        self._addresses: dict[LimitedConnection, str] = {}
        self._by_address: Counter[str] = Counter()
        self._arrivals = Rates()
        self._complaints = Complaints(publish)
        self._seconds = seconds

    def objection(self, host: str) -> str:
        """Return why no further connection is accepted from that IP address; empty if one is."""
        address, crowd = neighbourhood(host), self.crowd
        why = ""
        if not self._places.are_left:
            why = f"{self._places.most} streams are open ([limits] streams)"
        elif self.unproved.at(address) >= crowd.per_address:
            why = f"{crowd.per_address} streams from there have proved nothing yet ([limits] streams_per_address)"
        elif self._by_address[address] >= PROVED_FACTOR * crowd.per_address:
            why = f"{PROVED_FACTOR * crowd.per_address} streams are open from there ([limits] streams_per_address)"
        elif not self._arrivals.allow(address, crowd.per_minute, self._seconds()):
            why = f"more than {crowd.per_minute:g} came from there in a minute ([limits] connections_per_minute)"
        if why:
            self._complaints.tell(address, why, self._seconds())
        return why

    @property
    def can_explain(self) -> bool:
        """Return whether one more refused connection may be sent a reason, instead of being closed silently."""
        return self.being_refused < min(MOST_REFUSALS, self._places.most // 8)

    def entered(self, connection: LimitedConnection) -> None:
        """Admit a connection, or turn it away."""
        address = address_of(connection.peer_address)
        if len(self.unproved) >= self.crowd.unauthenticated:
            self._make_room()
        self._places.take()
        self.connections.add(connection)
        self._addresses[connection] = address
        self.unproved.add(connection, address)
        self._by_address[address] += 1

    def established(self, connection: LimitedConnection) -> None:
        """Note that stanzas may pass on it."""
        self.unproved.remove(connection)

    def left(self, connection: LimitedConnection) -> None:
        """Note that a connection is gone."""
        if connection in self.connections:
            self._places.give_back()
            self.connections.remove(connection)
            self.unproved.remove(connection)
            address = self._addresses.pop(connection)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def _make_room(self) -> None:
        oldest, crowded = self.unproved.take_oldest_of_most_crowded()
        why = f"{self.crowd.unauthenticated} streams have proved nothing yet ([limits] unauthenticated_streams)"
        self._complaints.tell(crowded, why, self._seconds())
        oldest.dismiss(StreamError(StreamCondition.RESOURCE_CONSTRAINT, "too many streams have proved nothing yet"))


class Unproved:
    """The connections that have proved nothing yet, by address, and the addresses by how many they have.

    In a flood one connection must leave whenever one comes, so finding it must not take longer the more there are.
    """

    def __init__(self) -> None:
        self._address_of: dict[LimitedConnection, str] = {}
        self._at: dict[str, dict[LimitedConnection, None]] = {}  # in the order in which they came
        self._crowds: dict[int, dict[str, None]] = {}  # by the number that an address has
        self._largest = 0

    def __len__(self) -> int:
        return len(self._address_of)

    def at(self, address: str) -> int:
        """Return how many there are of that address."""
        return len(self._at.get(address, ()))

    def add(self, guest: LimitedConnection, address: str) -> None:
        """Add one that has come from there."""
        self._address_of[guest] = address
        there = self._at.setdefault(address, {})
        there[guest] = None
        self._move(address, len(there) - 1, len(there))
        self._largest = max(self._largest, len(there))

    def remove(self, guest: LimitedConnection) -> None:
        """Remove one that has proved something, or is gone; do nothing when it is not here."""
        address = self._address_of.pop(guest, None)
        if address is None:
            return
        there = self._at[address]
        del there[guest]
        if not there:
            del self._at[address]
        self._move(address, len(there) + 1, len(there))
        if self._largest not in self._crowds:
            self._largest -= 1

    def take_oldest_of_most_crowded(self) -> tuple[LimitedConnection, str]:
        """Return the connection that must leave, and its address."""
        address = next(iter(self._crowds[self._largest]))
        oldest = next(iter(self._at[address]))
        self.remove(oldest)
        return oldest, address

    def _move(self, address: str, before: int, now: int) -> None:
        if before:
            del self._crowds[before][address]
            if not self._crowds[before]:
                del self._crowds[before]
        if now:
            self._crowds.setdefault(now, {})[address] = None


class Complaints:
    """Notices about refused connections: once in a while for each address, with the number of those left out."""

    def __init__(self, publish: Publish, kind: type[Complaint] = TurnedAway) -> None:
        self._publish = publish
        self._kind = kind
        self._seldom = Seldom(_TELL_SECONDS)

    def tell(self, address: str, why: str, now: float) -> None:
        """Report that one more was turned away."""
        untold = self._seldom.say(address, now)
        if untold is not None:
            self._publish(self._kind(address=address, why=why, untold=untold))
