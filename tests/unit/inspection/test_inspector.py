"""An inspection ends in time, however silent the other side is; the clock moves only when the test moves it."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater

from gateway.findings.facts import (
    PeerAnswer,
    Reached,
    SeenConversation,
    SeenDomain,
    SeenEndpoint,
    SeenNames,
    SeenRequest,
    SeenServer,
)
from gateway.inspection.inspector import MOST_CONNECTIONS, InspectionOrder, Inspector
from gateway.inspection.names import NamesSeen
from gateway.inspection.visits import VisitedPlace
from gateway.net.dns.destinations import Destinations
from gateway.xmpp.addresses import Domain
from tests.unit.findings.seen import certificate, lookup, names, server

WHOLE_SECONDS = 60
DOMAIN = Domain("example.test")


class Silent:
    """The parts of an inspector, none of which gets an answer before it has waited for as long as it would."""

    def __init__(self, clock: Clock, *, names_take: float, answers: bool) -> None:
        self.clock = clock
        self.visits = 0
        self.granted: float | None = None
        self._names_take = names_take
        self._answers = answers

    async def look(self, domain: str, connect: str | None = None) -> NamesSeen:
        await deferLater(self.clock, self._names_take)
        addresses = [f"192.0.2.{number}" for number in range(1, 31)]
        return NamesSeen(names=names(server(four=lookup("A", "xmpp", *addresses), six=lookup("AAAA", "xmpp"))), tlsa={})

    async def ask(self, *questions: Any) -> list[Any]:
        await deferLater(self.clock, 8)
        return [lookup("TXT", "x", "thorough")]

    async def visit(self, place: VisitedPlace, **_: Any) -> SeenEndpoint:
        self.visits += 1
        if not self._answers:
            await Deferred()
        await deferLater(self.clock, 14)
        return SeenEndpoint(
            host=place.host,
            port=place.port,
            tls=place.tls,
            address=place.address,
            reached=Reached.CONNECTED,
            certificate=certificate(),
        )

    async def converse(self, domain: Domain, seconds: float, is_allowed: bool) -> SeenConversation:
        self.granted = seconds
        await deferLater(self.clock, seconds)
        return SeenConversation(ours="ours.test", requests=(SeenRequest(what="ping", answer=PeerAnswer.SILENCE),))


@pytest.mark.parametrize(("source", "visits"), [("configured", 1), ("srv", 0)])
def test_only_a_configured_place_may_be_on_loopback(source: str, visits: int) -> None:
    clock: Any = Clock()
    silent: Any = Silent(clock, names_take=0, answers=True)
    there = SeenNames(source=source, servers=(SeenServer(host="127.0.0.2", port=5269, tls="starttls"),))

    async def look(domain: str, connect: str | None = None) -> NamesSeen:
        return NamesSeen(names=there, tlsa={})

    silent.look = look
    found: list[SeenDomain] = []
    inspector = Inspector(clock, silent, lambda domain: silent, Destinations([]))
    Deferred.fromCoroutine(inspector.inspect(InspectionOrder(domain=DOMAIN))).addCallback(found.append)
    clock.pump([1] * WHOLE_SECONDS)
    assert silent.visits >= visits
    (endpoint,) = found[0].endpoints
    assert (endpoint.reached is Reached.CONNECTED) == bool(visits)
    if not visits:
        assert "[dns] allow_networks" in endpoint.told


@pytest.mark.parametrize("names_take", [0, 32])
@pytest.mark.parametrize("answers", [False, True], ids=["silent", "slow"])
@pytest.mark.parametrize("has_service", [False, True])
@pytest.mark.parametrize("thorough", [False, True])
def test_everything_ends_within_a_minute(names_take: float, answers: bool, has_service: bool, thorough: bool) -> None:
    clock: Any = Clock()
    silent: Any = Silent(clock, names_take=names_take, answers=answers)
    converse = silent.converse if has_service else None
    inspector = Inspector(clock, silent, lambda domain: silent, Destinations([]), converse=converse)
    found: list[SeenDomain] = []
    order = InspectionOrder(domain=DOMAIN, thorough=thorough)
    Deferred.fromCoroutine(inspector.inspect(order)).addCallback(found.append)
    while not found and clock.seconds() < 10 * WHOLE_SECONDS:
        clock.advance(0.5)
    assert clock.seconds() <= WHOLE_SECONDS
    assert silent.visits <= MOST_CONNECTIONS
    (seen,) = found
    assert (seen.conversation is not None) == has_service
    assert any(each.reached is Reached.SKIPPED for each in seen.endpoints)  # and the report says so
    if has_service:
        assert silent.granted >= 15
