"""Silence about one name does not mean that the nameservers are dead; silence about the root does."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.names import dns

from gateway.net.dns.liveness import WatchedNameservers
from gateway.net.dns.nameservers import NameserverSilent


class Answering:
    """Nameservers of which it is set what they do with a name."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.failing: set[str] = set()
        self.asked: list[str] = []

    async def ask(self, query: dns.Query) -> dns.Message:
        name = str(query.name)
        self.asked.append(name)
        if name in self.silent:
            raise NameserverSilent("no answer from 192.0.2.53:53", silent=True)
        if name in self.failing:
            raise NameserverSilent("192.0.2.53:53 refused to answer (REFUSED)", silent=False)
        return dns.Message()


@pytest.fixture
def servers() -> Answering:
    return Answering()


@pytest.fixture
def watched(servers: Answering) -> WatchedNameservers:
    return WatchedNameservers(servers)


def ask(watched: WatchedNameservers, name: str) -> None:
    Deferred.fromCoroutine(watched.ask(dns.Query(name.encode()))).addErrback(lambda failure: None)


def test_silence_about_one_name_is_not_taken_for_death(servers: Answering, watched: WatchedNameservers) -> None:
    servers.silent = {"far.test"}
    ask(watched, "far.test")
    assert servers.asked == ["far.test", ""]
    assert watched.dead == ""


def test_a_nameserver_that_refuses_the_root_lives(servers: Answering, watched: WatchedNameservers) -> None:
    servers.silent, servers.failing = {"far.test"}, {""}
    ask(watched, "far.test")
    assert watched.dead == ""


def test_when_the_root_gets_no_answer_either_they_are_dead_until_one_answers(
    servers: Answering, watched: WatchedNameservers
) -> None:
    servers.silent = {"far.test", ""}
    ask(watched, "far.test")
    assert watched.dead == "no answer from 192.0.2.53:53"
    watched.look()
    assert watched.dead
    servers.silent = set()
    watched.look()
    assert watched.dead == ""
    watched.look()
    assert servers.asked == ["far.test", "", "", ""]
