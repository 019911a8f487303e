"""The order in which connections are closed, and what happens to those whose other side does not close."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.notices.attempts.records import Direction, Kind
from gateway.run.shutdown import LAST_SECONDS, TURN_SECONDS, close_in_order
from gateway.stream.facts import Role, ServerFacts
from gateway.xmpp.errors import StreamError


class Connection:
    """A connection that does what the test sets; the other side closes when `leave` is called, or never."""

    def __init__(self, log: list[str], name: str, kind: Kind, direction: Direction, *, both_ways: bool = False) -> None:
        self.is_lost = False
        self.is_stuck = False
        self.full: Deferred[None] | None = None
        self.session = SimpleNamespace(log=SimpleNamespace(kind=kind, direction=direction), room=self.room)
        facts = ServerFacts(role=Role.RECEIVING, bidirectional=both_ways)
        self.stream = SimpleNamespace(is_established=True, facts=facts)
        self._log = log
        self._name = name
        self._lost: list[Deferred[None]] = []

    def room(self) -> Deferred[None] | None:
        return self.full

    def close(self, error: StreamError) -> None:
        if self.stream.is_established:
            self.stream.is_established = False
            self._log.append(f"close {self._name}")

    def finish(self, because: str) -> None:
        self._log.append(f"finish {self._name}")
        if not self.is_stuck:
            self.leave()

    def abort(self, because: str) -> None:
        self._log.append(f"abort {self._name}")
        self.leave()

    def when_lost(self) -> Deferred[None]:
        wait: Deferred[None] = Deferred()
        self._lost.append(wait)
        if self.is_lost:
            wait.callback(None)
        return wait

    def leave(self) -> None:
        self.is_lost = True
        for wait in self._lost:
            if not wait.called:
                wait.callback(None)


class ShutdownHarness:
    """One connection of each kind, and the closing of them all."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.log: list[str] = []
        self.out = Connection(self.log, "out", Kind.SERVER, Direction.OUT)
        self.both = Connection(self.log, "both", Kind.SERVER, Direction.IN, both_ways=True)
        self.component = Connection(self.log, "component", Kind.COMPONENT, Direction.IN)
        self.inbound = Connection(self.log, "in", Kind.SERVER, Direction.IN)

    def close(self) -> Deferred[None]:
        every = (self.out, self.both, self.component, self.inbound)
        return Deferred.fromCoroutine(close_in_order(every, self.clock))


@pytest.fixture
def harness() -> ShutdownHarness:
    return ShutdownHarness()


def test_those_that_only_bring_stanzas_are_closed_first_and_those_that_take_them_last(harness: ShutdownHarness) -> None:
    closed = harness.close()
    assert harness.log == ["close in"]
    harness.inbound.leave()
    assert harness.log[1:] == ["close component"]
    harness.component.leave()
    assert harness.log[2:] == ["close out", "close both"]
    harness.out.leave()
    harness.both.leave()
    assert closed.called
    assert not harness.clock.getDelayedCalls()


def test_what_waits_for_room_is_written_before_the_closing_tag(harness: ShutdownHarness) -> None:
    harness.inbound.full = Deferred()
    harness.close()
    assert harness.log == []
    wait, harness.inbound.full = harness.inbound.full, None
    wait.callback(None)
    assert harness.log == ["close in"]


def test_who_does_not_close_ends_in_good_order_and_who_takes_nothing_is_cut_off(harness: ShutdownHarness) -> None:
    harness.out.is_stuck = True
    harness.out.full = Deferred()
    closed = harness.close()
    for _ in range(3):
        harness.clock.advance(TURN_SECONDS)
    assert harness.log == ["close in", "close component", "close both", "close out", *finished("out", "both")]
    assert not closed.called
    harness.clock.advance(LAST_SECONDS)
    assert harness.log[-1] == "abort out"
    assert closed.called
    assert harness.clock.seconds() < 5


def finished(*last: str) -> list[str]:
    return [f"finish {name}" for name in ("in", "component", *last)]
