"""What happened in each minute of the last day, and with each domain in the last hour."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from gateway.notices.attempts.records import Direction, Kind
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import StanzaBounced
from gateway.operations.minutes import DAY_MINUTES, Minutes, Series


class Counted:
    """Minutes, and what they read."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(600)
        self.totals = {Series.IN: 0, Series.OUT: 0}
        self.connections: list[Any] = []
        self.minutes = Minutes(self.clock.seconds, totals=lambda: self.totals, connections=lambda: self.connections)

    def stream(self, domain: str, number: int = 1) -> tuple[StreamLog, Any]:
        log = StreamLog(self.minutes.notice, self.clock.seconds, number, Direction.OUT, remote=domain)
        log.end(Verdict.ESTABLISHED)
        session = SimpleNamespace(log=SimpleNamespace(kind=Kind.SERVER, number=number))
        stream = SimpleNamespace(facts=SimpleNamespace(remote=domain))
        connection = SimpleNamespace(session=session, stream=stream, bytes_in=0, bytes_out=0)
        self.connections.append(connection)
        return log, connection


@pytest.fixture
def counted() -> Counted:
    return Counted()


def test_the_difference_of_totals_belongs_to_the_minute_in_which_it_is_read(counted: Counted) -> None:
    counted.totals[Series.IN] = 5
    counted.minutes.read(0)
    counted.totals[Series.IN] = 7
    counted.minutes.read(0)
    counted.clock.advance(120)
    counted.totals[Series.IN] = 17
    counted.minutes.read(0)
    assert counted.minutes.day(Series.IN, 60) == [7, 0, 10]


def test_seldom_things_are_counted_when_they_happen_and_of_levels_the_highest_counts(counted: Counted) -> None:
    counted.minutes.notice(
        StanzaBounced(name="iq", id="1", sender="a", target="b", condition="c", reason="", answered=True)
    )
    counted.stream("far.test")
    StreamLog(counted.minutes.notice, counted.clock.seconds, 2, Direction.OUT, remote="x").end(Verdict.TIMEOUT)
    for waiting in (3, 9, 4):
        counted.minutes.read(waiting)
    found = {series: counted.minutes.day(series, 60) for series in Series}
    assert found == {
        Series.IN: [0],
        Series.OUT: [0],
        Series.FAILURES: [1],
        Series.BOUNCES: [1],
        Series.HANDSHAKES: [1],
        Series.WAITING: [9],
    }


def test_a_day_later_nothing_of_the_day_before_is_left(counted: Counted) -> None:
    counted.totals[Series.OUT] = 5
    counted.minutes.read(0)
    counted.clock.advance(60 * DAY_MINUTES)
    assert sum(counted.minutes.day(Series.OUT, DAY_MINUTES)) == 0
    assert len(counted.minutes.day(Series.OUT, DAY_MINUTES)) == DAY_MINUTES


def test_minutes_are_put_together_at_fixed_borders(counted: Counted) -> None:
    for _ in range(30):
        counted.totals[Series.OUT] += 1
        counted.minutes.read(0)
        counted.clock.advance(60)
    assert counted.minutes.day(Series.OUT, DAY_MINUTES, 10) == [10, 10, 10, 0]


def test_bytes_of_a_domain_are_read_from_its_streams_and_from_their_end(counted: Counted) -> None:
    log, connection = counted.stream("far.test")
    connection.bytes_in = 100
    counted.minutes.read(0)
    assert counted.minutes.traffic() == {"far.test": 100}
    counted.clock.advance(600)
    connection.bytes_out = 50
    counted.minutes.read(0)
    counted.connections.clear()
    log.stream_ended(100, 70, "idle")
    counted.minutes.read(0)
    assert counted.minutes.traffic() == {"far.test": 170}
    hour = counted.minutes.hour("far.test", 6)
    assert hour == [0, 0, 0, 0, 100, 70]
    counted.clock.advance(3600)
    counted.minutes.read(0)
    assert counted.minutes.traffic() == {}
    assert sum(counted.minutes.hour("far.test")) == 0


def test_a_domain_with_traffic_in_one_minute_takes_little_memory(counted: Counted) -> None:
    _, connection = counted.stream("far.test")
    connection.bytes_in = 1000
    counted.minutes.read(0)
    connection.bytes_in = 1500
    counted.minutes.read(0)
    hour = counted.minutes._hours.get("far.test")
    assert hour is not None
    assert hour._kept is None
    assert counted.minutes.hour("far.test", 60) == [0] * 59 + [1500]
    counted.clock.advance(60 * 5)
    assert counted.minutes.hour("far.test", 60) == [0] * 54 + [1500] + [0] * 5
    connection.bytes_in = 1600
    counted.minutes.read(0)
    assert counted.minutes.hour("far.test", 60) == [0] * 54 + [1500, 0, 0, 0, 0, 100]
    counted.clock.advance(60 * 56)
    assert counted.minutes.hour("far.test", 60) == [0] * 3 + [100] + [0] * 56
    assert hour.total == 100
