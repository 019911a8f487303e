"""Minutes: what happened in each minute of the last day, and for each other domain in each of the last sixty.

It does not count stanzas itself: existing totals, and the bytes that connections count, are read every few seconds, and
the difference belongs to that minute. When a stream ends, the rest is read. A day is 1,440 minutes of a few numbers;
the hours of other domains are bounded, with a share for each.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from itertools import islice
from typing import Any

from gateway.bounds.tables import Bounded, family
from gateway.notices.attempts.records import Attempt, Kind, StreamEnded
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import Notice, StanzaBounced

MINUTE = 60
DAY_MINUTES = 1440
HOUR_MINUTES = 60
MOST_DOMAINS = 5_000
_BETWEEN_SERVERS = (Kind.SERVER, Kind.KEYS)


class Series(StrEnum):
    """What is counted by the minute; `WAITING` is the highest level, all others are numbers of events."""

    IN = "in"
    OUT = "out"
    FAILURES = "failures"
    BOUNCES = "bounces"
    HANDSHAKES = "handshakes"
    WAITING = "waiting"


class Minutes:
    """The last day by the minute; it reads notices, and is called every few seconds."""

    KINDS = (Attempt, StreamEnded, StanzaBounced)

    def __init__(
        self,
        time_of_day: Callable[[], float],
        *,
        totals: Callable[[], Mapping[Series, int]],
        connections: Callable[[], Iterable[Any]],
        domains: int = MOST_DOMAINS,
    ) -> None:
        """`totals` returns counts since the start, made elsewhere; `connections` are read for their bytes."""
        self._time_of_day = time_of_day
        self._totals = totals
        self._connections = connections
        self._now = self.began = int(time_of_day() // MINUTE)
        self._days = {series: array("L", bytes(8 * DAY_MINUTES)) for series in Series}
        self._last: Mapping[Series, int] = {}
        self._hours: Bounded[str, _Hour] = Bounded(domains)
        self._traffic: Mapping[str, int] = {}
        self._busiest: list[str] | None = None
        self._read: dict[int, int] = {}  # bytes of each open stream, by its number, that are in some minute already

    def notice(self, notice: Notice) -> None:
        """Count rare events, and read the bytes of a stream that ends."""
        match notice:
            case StanzaBounced():
                self._count(Series.BOUNCES)
            case Attempt() if notice.kind in _BETWEEN_SERVERS:
                if notice.verdict is Verdict.ESTABLISHED:
                    self._count(Series.HANDSHAKES)
                elif notice.verdict.is_failure:
                    self._count(Series.FAILURES)
            case StreamEnded() if notice.attempt.kind in _BETWEEN_SERVERS:
                if notice.verdict.is_failure:
                    self._count(Series.FAILURES)
                read = self._read.pop(notice.attempt.number, 0)
                self._carried(notice.attempt.remote, notice.bytes_in + notice.bytes_out - read)

    def read(self, waiting: int) -> None:
        """Put what has been counted since the last call into this minute; `waiting` is the number of stanzas that wait
        now.
        """
        now = self._turn()
        totals = self._totals()
        for series, total in totals.items():
            self._days[series][now % DAY_MINUTES] += max(0, total - self._last.get(series, 0))
        self._last = dict(totals)
        levels = self._days[Series.WAITING]
        levels[now % DAY_MINUTES] = max(levels[now % DAY_MINUTES], waiting)
        self._read_connections()
        self._sum_up()

    def _read_connections(self) -> None:
        before, self._read = self._read, {}
        for connection in self._connections():
            session = connection.session
            if session is None or connection.stream.facts.remote is None or session.log.kind not in _BETWEEN_SERVERS:
                continue
            carried = connection.bytes_in + connection.bytes_out
            number = session.log.number
            self._read[number] = carried
            if carried != (read := before.get(number, 0)):
                self._carried(connection.stream.facts.remote, carried - read)

    def day(self, series: Series, minutes: int, step: int = 1) -> list[int]:
        """Return the last minutes, the oldest first, `step` of them in one number; those before the start are left out.

        Events are summed up; of levels the highest counts.
        """
        now = self._turn()
        put_together = max if series is Series.WAITING else sum
        end = (now // step + 1) * step  # so that a sum covers the same minutes at the next call
        first = max(self.began // step * step, end - minutes)
        kept = self._days[series]
        values = [kept[minute % DAY_MINUTES] if self.began <= minute <= now else 0 for minute in range(first, end)]
        return [put_together(values[at : at + step]) for at in range(0, len(values), step)]

    def hour(self, domain: str, parts: int = 12) -> list[int]:
        """Return the bytes that passed with a domain in the last hour, in equal parts, the oldest first."""
        hour = self._hours.get(domain)
        if hour is None:
            return []
        values = iter(hour.values(self._turn()))
        length = HOUR_MINUTES // parts
        return [sum(islice(values, length)) for _ in range(parts)]

    def traffic(self) -> Mapping[str, int]:
        """Return the bytes of the last hour for each domain with which any passed, as of the last reading."""
        return self._traffic

    def busiest(self) -> Sequence[str]:
        """Return these domains, those with the most bytes first."""
        if self._busiest is None:
            self._busiest = sorted(self._traffic, key=self._traffic.__getitem__, reverse=True)
        return self._busiest

    def _sum_up(self) -> None:
        now = self._turn()
        self._busiest = None
        self._traffic = {domain: hour.total for domain, hour in self._hours.items() if hour.at > now - HOUR_MINUTES}

    def _carried(self, domain: str, size: int) -> None:
        if size <= 0:
            return
        now = self._turn()
        hour = self._hours.get(domain)
        if hour is None:
            hour = _Hour(now)
            self._hours.put(domain, hour, family(domain))
        hour.add(now, size)

    def _count(self, series: Series) -> None:
        self._days[series][self._turn() % DAY_MINUTES] += 1

    def _turn(self) -> int:
        """Return the present minute, and empty those that have passed since the last call."""
        now = int(self._time_of_day() // MINUTE)
        if now > self._now:
            for minute in range(max(self._now + 1, now - DAY_MINUTES + 1), now + 1):
                for kept in self._days.values():
                    kept[minute % DAY_MINUTES] = 0
            self._now = now
        return self._now


class _Hour:
    """The last sixty minutes of one domain; `at` is the minute that was written last.

    Many domains have traffic in one minute only, that in which their stream was opened: it needs no table.
    """

    __slots__ = ("_kept", "at", "total")

    def __init__(self, now: int) -> None:
        self.at = now
        self.total = 0
        self._kept: array[int] | None = None  # all of `total` belongs to the minute `at`

    def add(self, now: int, size: int) -> None:
        """Add bytes to this minute."""
        self._forget(now)
        if self._kept is None:
            self.total += size
            return
        self._kept[now % HOUR_MINUTES] += size
        self.total += size

    def values(self, now: int) -> list[int]:
        """Return all minutes, the oldest first."""
        self._forget(now)
        kept = self._kept or self._table()
        split = (now + 1) % HOUR_MINUTES
        return [*kept[split:], *kept[:split]]

    def _table(self) -> array[int]:
        table = array("L", bytes(8 * HOUR_MINUTES))
        table[self.at % HOUR_MINUTES] = self.total
        return table

    def _forget(self, now: int) -> None:
        if self._kept is None:
            if now <= self.at or not self.total:
                self.at = max(self.at, now)
                return
            self._kept = self._table()
        for minute in range(max(self.at + 1, now - HOUR_MINUTES + 1), now + 1):
            self.total -= self._kept[minute % HOUR_MINUTES]
            self._kept[minute % HOUR_MINUTES] = 0
        self.at = max(self.at, now)
