"""Readable: nothing is read as long as anything is waited for."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from gateway.net.connection.readable import Readable


class Transport:
    """Keeps its calls."""

    def __init__(self) -> None:
        self.log: list[str] = []

    def pauseProducing(self) -> None:
        self.log.append("pause")

    def resumeProducing(self) -> None:
        self.log.append("resume")


def reading() -> tuple[Readable, list[str]]:
    readable, transport = Readable(), Transport()
    readable.begin(transport)
    return readable, transport.log


def test_it_reads_on_when_all_that_it_waited_for_has_happened() -> None:
    readable, log = reading()
    first: Deferred[None] = Deferred()
    second: Deferred[None] = Deferred()
    readable.wait_for(first)
    readable.wait_for(second)
    first.callback(None)
    assert log == ["pause"]
    assert readable.is_paused
    second.callback(None)
    assert log == ["pause", "resume"]
    assert not readable.is_paused


def test_once_released_it_reads_on_and_what_happens_later_changes_nothing() -> None:
    readable, log = reading()
    wait: Deferred[None] = Deferred()
    readable.wait_for(wait)
    readable.release()
    wait.callback(None)
    readable.release()
    assert log == ["pause", "resume"]


def test_a_lost_connection_is_not_read_from() -> None:
    readable, log = reading()
    wait: Deferred[None] = Deferred()
    readable.wait_for(wait)
    readable.close()
    wait.callback(None)
    assert log == ["pause"]
