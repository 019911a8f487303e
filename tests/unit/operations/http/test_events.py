"""Server-sent events: what has changed is sent, to readers that take it, and nothing is made when nobody reads."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from gateway.operations.http.door import HTTPDoor
from gateway.operations.http.events import MOST_READERS, PERIOD, EventStream


class Source:
    """Something to tell, and how often it was asked."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.asked = 0

    def __call__(self) -> Any:
        self.asked += 1
        return self.value


class Reader:
    """An open page."""

    def __init__(self, door: HTTPDoor, query: str = "") -> None:
        self.transport = StringTransport(hostAddress=IPv4Address("TCP", "127.0.0.1", 5280))
        self.channel: Any = door.buildProtocol(None)
        self.channel.makeConnection(self.transport)
        self.channel.dataReceived(f"GET /events{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())

    def heard(self) -> list[tuple[str, Any]]:
        said = self.transport.value()
        self.transport.clear()
        if said.startswith(b"HTTP/"):
            said = said.partition(b"\r\n\r\n")[2]
        lines = [line for line in said.decode().splitlines() if line.startswith(("event: ", "data: "))]
        names = [line.removeprefix("event: ") for line in lines[::2]]
        return list(zip(names, [json.loads(line.removeprefix("data: ")) for line in lines[1::2]], strict=True))

    def leave(self) -> None:
        self.channel.connectionLost(Failure(ConnectionDone()))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def status() -> Source:
    return Source({"streams": 1})


@pytest.fixture
def failures() -> Source:
    return Source([])


@pytest.fixture
def door(clock: Clock, status: Source, failures: Source) -> HTTPDoor:
    def make(query: str) -> dict[str, Any]:
        return {"status": status(), "failures": failures()} if query != "other" else {"status": query}

    events = EventStream(lambda words: words.get("view", ""), make, clock)
    return HTTPDoor({"/events": events}, lambda: [], clock)


def test_everything_is_sent_at_first_and_then_what_has_changed(door: HTTPDoor, clock: Clock, status: Source) -> None:
    reader = Reader(door)
    assert b"Content-Type: text/event-stream" in reader.transport.value()
    assert [name for name, _ in reader.heard()] == ["status", "failures"]
    clock.advance(PERIOD)
    assert reader.heard() == [("beat", {})]
    status.value = {"streams": 2}
    clock.advance(PERIOD)
    assert reader.heard() == [("status", {"streams": 2})]


def test_nothing_is_made_when_nobody_reads(door: HTTPDoor, clock: Clock, status: Source) -> None:
    reader = Reader(door)
    clock.advance(PERIOD)
    reader.leave()
    asked = status.asked
    clock.advance(10 * PERIOD)
    assert status.asked == asked
    assert clock.getDelayedCalls() == []


def test_many_readers_cost_one_reading(door: HTTPDoor, clock: Clock, status: Source) -> None:
    readers = [Reader(door) for _ in range(5)]
    asked = status.asked
    clock.advance(PERIOD)
    assert status.asked == asked + 1
    for reader in readers:
        reader.leave()


def test_each_reader_gets_the_view_that_its_address_names(door: HTTPDoor, clock: Clock, status: Source) -> None:
    one, other = Reader(door), Reader(door, "?view=other&view=second")
    assert other.heard() == [("status", "other")]
    one.heard()
    status.value = {"streams": 2}
    clock.advance(PERIOD)
    assert (one.heard(), other.heard()) == ([("status", {"streams": 2})], [("beat", {})])


def test_a_reader_that_takes_nothing_is_sent_nothing_more(door: HTTPDoor, clock: Clock, status: Source) -> None:
    reader = Reader(door)
    reader.heard()
    reader.transport.producer.pauseProducing()
    for number in range(3):
        status.value = {"streams": number}
        clock.advance(PERIOD)
    assert reader.heard() == []
    reader.transport.producer.resumeProducing()
    clock.advance(PERIOD)
    assert reader.heard() == [("status", {"streams": 2})]


def test_readers_are_bounded(door: HTTPDoor) -> None:
    readers = [Reader(door) for _ in range(MOST_READERS)]
    late = Reader(door)
    assert b" 503 " in late.transport.value()
    readers[0].leave()
    assert b" 200 " in Reader(door).transport.value()


def test_h_42_what_peers_say_cannot_begin_an_event_of_its_own(door: HTTPDoor, clock: Clock, failures: Source) -> None:
    reader = Reader(door)
    reader.heard()
    failures.value = ["x\n\nevent: status\ndata: {}\n\n\u2028<script>"]
    clock.advance(PERIOD)
    assert reader.heard() == [("failures", failures.value)]
