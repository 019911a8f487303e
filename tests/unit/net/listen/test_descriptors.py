"""How many file descriptors there are, and what is told when they are too few."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest
from twisted.logger import Logger, LogPublisher

from gateway.net.dns.questions import ResolverBounds
from gateway.net.listen import descriptors
from gateway.net.listen.connection_limits import MOST_REFUSALS
from gateway.net.listen.descriptors import MOST_CONNECTIONS, RESERVE, ShortageWatch, allow, reserve, room_for, shortfall
from gateway.net.trust.posh import MOST_AT_ONCE
from gateway.notices.notices import Notice

FILES = 150  # the log, the stores, libraries, listening ports, NATS and the like


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The soft and the hard limit of a process that is not this one."""
    limits = [1024, 4096]
    monkeypatch.setattr(descriptors.resource, "getrlimit", lambda which: tuple(limits))
    monkeypatch.setattr(descriptors.resource, "setrlimit", lambda which, new: limits.__setitem__(slice(None), new))
    return limits


@pytest.mark.parametrize(
    ("hard", "streams", "soft"),
    [
        (4096, 100, 1024),  # there are enough
        (4096, 2000, 2000 + reserve(1)),
        (4096, 20_000, 4096),
        (resource.RLIM_INFINITY, 20_000, 20_000 + reserve(1)),
    ],
)
def test_as_many_as_are_needed_are_taken(limits: list[int], hard: int, streams: int, soft: int) -> None:
    limits[1] = hard
    allow(streams)
    assert limits == [soft, hard]


def test_a_system_that_grants_nothing_is_no_failure(monkeypatch: pytest.MonkeyPatch, limits: list[int]) -> None:
    def refuse(which: int, new: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(descriptors.resource, "setrlimit", refuse)
    allow(20_000)
    assert limits == [1024, 4096]


def test_too_few_are_told_with_both_numbers(limits: list[int]) -> None:
    assert room_for(500) == 500
    assert list(shortfall(500)) == []
    assert room_for(20_000) == 1024 - reserve(1)
    [told] = shortfall(20_000)
    assert "1024 file descriptors" in told
    assert "20000 streams" in told


def test_very_few_are_shared(limits: list[int]) -> None:
    limits[0] = 100
    assert room_for(20_000) == 50


def test_a_shortage_at_a_door_is_told_once_in_a_while() -> None:
    told: list[Notice] = []
    now = 1000.0
    log = Logger("twisted.internet.tcp.Port", observer=LogPublisher(ShortageWatch(told.append, lambda: now)))
    for _ in range(3):
        log.info("EMFILE encountered; releasing reserved file descriptor.")
        log.info("EMFILE recovery: Closed socket from {address}", address="192.0.2.1")
    log.info("Could not accept new connection ({acceptError})", acceptError="ENOMEM")
    now += 11
    log.info("Could not accept new connection ({acceptError})", acceptError="ENFILE")
    first, second = told
    assert "file descriptors of this process are in use" in first.sentence
    assert "ENFILE (3 more times since the last report)" in second.sentence


def test_the_reserve_holds_all_that_may_be_open_beside_the_streams() -> None:
    assert MOST_REFUSALS + ResolverBounds().at_once + MOST_AT_ONCE + FILES <= RESERVE


def test_each_http_port_has_its_share(limits: list[int]) -> None:
    assert reserve(3) - reserve(2) == MOST_CONNECTIONS
    limits[0] = 4096
    assert room_for(20_000, http_ports=3) == 4096 - reserve(3)
    limits[:] = [1024, 4096]
    allow(2000, http_ports=3)
    assert limits == [2000 + reserve(3), 4096]
