"""Bounds: tables that input can fill, each with a limit and a fair share for everybody who fills it.

A table has a fixed size. Each entry belongs to a cause: the IP address or the domain that made us keep it. When the
table is full, the oldest entry of the cause that takes the most room is dropped. So somebody who floods a table pushes
out only their own entries, and everybody else keeps theirs.

`Bounded` is such a table. `Seldom` allows one log line at a time for each cause and counts those left out in between.
`Rates` limits how often each cause may do something in a minute. None of them has a clock: the caller passes the time.

`neighbourhood` and `family` say what counts as one cause: an IPv4 address, the /64 of an IPv6 one, a domain with all
its subdomains.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import lru_cache
from heapq import heapify, heappop, heappush
from ipaddress import IPv6Address, IPv6Network
from sys import intern
from typing import Generic, TypeVar

from gateway.xmpp.ip_addresses import ipv4_inside

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

MOST_CAUSES = 10_000
"""The most addresses or domains that a table of counters remembers."""


_Ranking = list[tuple[int, int, Hashable]]
"""A heap with the most crowded cause first; entries with an old stamp are skipped."""


class _CauseEntries(Generic[K]):
    """The entries of one cause, the oldest first; `stamp` marks its one valid place in each ranking."""

    __slots__ = ("keys", "size", "stamp")

    def __init__(self) -> None:
        self.keys: dict[K, None] = {}
        self.size = 0
        self.stamp = 0


class Bounded(Generic[K, V]):
    """A map of at most `most` entries whose sizes add up to at most `most_size`.

    When there are too many entries, the cause with the most entries makes room; when they are too large, the cause with
    the largest total. Without causes the map forgets its oldest entry.

    Hardly any map is ever full, so the causes are ranked only when one of them has to make room, and as long as the map
    has at least half of the entries that it had then.
    """

    __slots__ = (
        "_by_number",
        "_by_size",
        "_crowds",
        "_entries",
        "_most",
        "_most_size",
        "_ranked_at",
        "_size",
        "_stamps",
    )

    def __init__(self, most: int, most_size: int | None = None) -> None:
        self._most = most
        self._most_size = most_size
        self._size = 0
        self._entries: dict[K, tuple[V, Hashable, int]] = {}  # value, cause, size
        self._crowds: dict[Hashable, _CauseEntries[K]] = {}
        self._by_number: _Ranking = []
        self._by_size: _Ranking = []
        self._ranked_at = 0  # the number of entries when the causes were ranked; 0 while they are not
        self._stamps = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    @property
    def size(self) -> int:
        """The sum of the sizes of all entries."""
        return self._size

    def get(self, key: K) -> V | None:
        """Return the value for the key, or None."""
        entry = self._entries.get(key)
        return None if entry is None else entry[0]

    def values(self) -> Iterator[V]:
        """Yield all values, in the order in which they were put."""
        return (value for value, _, _ in self._entries.values())

    def items(self) -> Iterator[tuple[K, V]]:
        """Yield each key with its value."""
        return ((key, value) for key, (value, _, _) in self._entries.items())

    def put(self, key: K, value: V, cause: Hashable = None, size: int = 1) -> None:
        """Keep a value as the youngest entry of its cause, and drop other entries until there is room for it."""
        if key in self._entries:
            self.pop(key)
        self._entries[key] = (value, cause, size)
        crowd = self._crowds.get(cause)
        if crowd is None:
            crowd = self._crowds[cause] = _CauseEntries()
        crowd.keys[key] = None
        crowd.size += size
        self._size += size
        self._stamps = crowd.stamp = self._stamps + 1
        if self._ranked_at:
            self._rank_again(cause, crowd)
        while len(self._entries) > self._most:
            self._rank()
            self._make_room(self._by_number)
        while self._most_size is not None and self._size > self._most_size:
            self._rank()
            self._make_room(self._by_size)

    def pop(self, key: K) -> V | None:
        """Remove an entry and return its value; None if there was none."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        value, cause, size = entry
        crowd = self._crowds[cause]
        self._size -= size
        del crowd.keys[key]
        if crowd.keys:
            crowd.size -= size
            self._stamps = crowd.stamp = self._stamps + 1
            if self._ranked_at:
                self._rank_again(cause, crowd)
        else:
            del self._crowds[cause]
        return value

    def first_to_go(self) -> K | None:
        """Return the oldest key of the cause with the most entries, or None: for an owner that says goodbye itself."""
        if not self._entries:
            return None
        self._rank()
        return next(iter(self._most_crowded(self._by_number).keys))

    def touch(self, key: K) -> V | None:
        """Return the value for a key that is in use, or None.

        Its entry becomes the youngest, and its cause the youngest of those with as many entries.
        """
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self._entries[key] = entry
        value, cause, _ = entry
        crowd = self._crowds[cause]
        if len(crowd.keys) > 1:
            del crowd.keys[key]
            crowd.keys[key] = None
        self._stamps = crowd.stamp = self._stamps + 1
        if self._ranked_at:
            self._rank_again(cause, crowd)
        return value

    def clear(self) -> None:
        """Drop all entries."""
        self._entries.clear()
        self._crowds.clear()
        self._forget_ranks()
        self._size = 0

    def _rank_again(self, cause: Hashable, crowd: _CauseEntries[K]) -> None:
        if 2 * len(self._entries) < self._ranked_at:
            self._forget_ranks()
            return
        heappush(self._by_number, (-len(crowd.keys), crowd.stamp, cause))
        if self._most_size is not None:
            heappush(self._by_size, (-crowd.size, crowd.stamp, cause))
        if max(len(self._by_number), len(self._by_size)) > 2 * len(self._crowds) + 16:
            self._rank_all()

    def _rank(self) -> None:
        if not self._ranked_at:
            self._ranked_at = len(self._entries)
            self._rank_all()

    def _rank_all(self) -> None:
        """Rank the causes as they are now, without outdated entries."""
        self._by_number = [(-len(crowd.keys), crowd.stamp, cause) for cause, crowd in self._crowds.items()]
        heapify(self._by_number)
        if self._most_size is not None:
            self._by_size = [(-crowd.size, crowd.stamp, cause) for cause, crowd in self._crowds.items()]
            heapify(self._by_size)

    def _forget_ranks(self) -> None:
        self._ranked_at = 0
        self._by_number, self._by_size = [], []

    def _make_room(self, ranking: _Ranking) -> None:
        self.pop(next(iter(self._most_crowded(ranking).keys)))

    def _most_crowded(self, ranking: _Ranking) -> _CauseEntries[K]:
        _, stamp, cause = ranking[0]
        while (crowd := self._crowds.get(cause)) is None or crowd.stamp != stamp:
            heappop(ranking)
            _, stamp, cause = ranking[0]
        return crowd


class Seldom:
    """Allows one line in a number of seconds for each cause."""

    def __init__(self, seconds: float = 10.0, most: int = MOST_CAUSES) -> None:
        self._seconds = seconds
        self._said: Bounded[str, tuple[float, int]] = Bounded(most)  # time of the last line; left out since

    def say(self, cause: str, now: float) -> int | None:
        """Return how many lines were left out since the last one; None if this one must be left out, too."""
        said, left_out = self._said.get(cause) or (now - self._seconds, 0)
        if now - said >= self._seconds:
            self._said.put(cause, (now, 0))
            return left_out
        self._said.put(cause, (said, left_out + 1))
        return None


def charged(paid_until: float, cost: float, *, holds: float, now: float) -> float:
    """Return until when a bucket is paid for after a charge of `cost` seconds.

    The bucket fills up steadily and holds what is due in `holds` seconds; paid for beyond `now`, it is in debt.
    """
    return max(paid_until, now - holds) + cost


class Rates:
    """A limit on how often each cause may do something: a bucket that holds one minute's worth
    and fills up steadily.
    """

    def __init__(self, most: int = MOST_CAUSES) -> None:
        self._paid_until: Bounded[str, float] = Bounded(most)

    def allow(self, cause: str, per_minute: float, now: float) -> bool:
        """Return whether the cause may do it once more now; 0 a minute means unlimited. Refusals are not counted."""
        if not per_minute:
            return True
        before = charged(self._paid_until.get(cause) or now - 60, 0, holds=60, now=now)
        after = before + 60 / per_minute
        allowed = after <= now
        self._paid_until.put(cause, after if allowed else before)
        return allowed


def neighbourhood(host: str) -> str:
    """Return what counts as one address: for IPv6 the /64, which is what one customer gets.

    An IPv4 address inside an IPv6 one counts as itself (see `xmpp.ip_addresses`), because all of IPv4 is one /64 there.
    """
    if ":" not in host:
        return host
    try:
        address = IPv6Address(host.partition("%")[0])
    except ValueError:  # a local socket rather than an IP address
        return host
    return str(ipv4_inside(address) or IPv6Network((address, 64), strict=False))


def address_of(endpoint: str) -> str:
    """Return what counts as one address, from an address and a port as people write them; empty if there is none."""
    return neighbourhood(endpoint.rpartition(":")[0].strip("[]"))


@lru_cache(maxsize=1024)
def family(domain: str) -> str:
    """Return what counts as one domain: its last two labels, because all names below them are free for their owner."""
    labels = domain.rsplit(".", 2)
    if labels[-1].isdigit() or domain.endswith("]"):  # an IP address
        return neighbourhood(domain.strip("[]"))
    return intern(".".join(labels[-2:]))  # many tables keep it, each as the cause of some entries
