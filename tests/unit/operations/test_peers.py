"""Other domains: all counted, some shown, in order of trouble."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock

from gateway.federation.backoff import Backoff, Waits
from gateway.notices.attempts.proofs import Proofs
from gateway.notices.attempts.records import Direction
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.operations.ages import Ages
from gateway.operations.fates import Fates
from gateway.operations.minutes import Minutes
from gateway.operations.peers import OtherDomains, PeerOrder, PeerSources
from gateway.outbox.keeper import Keeper
from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import OutboxLimits
from gateway.xmpp.addresses import Domain, DomainPair
from tests.unit.operations.test_status import Fixed

GOOD = Proofs("external", "shown", tls="TLSv1.3", until=86_400 * 60)
WEAK = Proofs("address", "dialback", "the certificate expired on 2026-01-01", "TLSv1.2", -86_400 * 3)


class Neighbourhood:
    """Some domains, each with what came about."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.fates = Fates(self.clock.seconds)
        self.minutes = Minutes(self.clock.seconds, totals=dict, connections=list)
        self.routes: dict[DomainPair, Any] = {}
        self.backoff = Backoff(Waits(), Fixed())  # type: ignore[arg-type]
        self.keeper = Keeper(None, self.clock.seconds)
        self.ages = Ages(self.keeper)
        self._number = 0

    def stream(self, name: str, proofs: Proofs = GOOD, direction: Direction = Direction.IN, size: int = 0) -> StreamLog:
        log = self._attempt(name, direction)
        log.end(Verdict.ESTABLISHED, proofs=proofs)
        if size:
            self.minutes.notice(self._ended(log, size))
            self.minutes.read(0)
        return log

    def _ended(self, log: StreamLog, size: int) -> Any:
        found: list[Any] = []
        other = StreamLog(found.append, self.clock.seconds, 10_000 + log.number, Direction.IN, remote=log.remote)
        other.end(Verdict.ESTABLISHED)
        other.stream_ended(size, 0, "idle")
        return found[-1]

    def fail(self, name: str, direction: Direction = Direction.OUT) -> None:
        self._attempt(name, direction).end(Verdict.NOT_TRUSTED, "no proof")

    def wait(self, name: str, count: int) -> None:
        self.routes[DomainPair(Domain("im.test"), Domain(name))] = SimpleNamespace(queued=count)

    def _attempt(self, name: str, direction: Direction) -> StreamLog:
        self._number += 1
        return StreamLog(self.fates.notice, self.clock.seconds, self._number, direction, remote=name)

    def now(self) -> OtherDomains:
        sources = PeerSources(
            fates=self.fates,
            minutes=self.minutes,
            backoff=self.backoff,
            remote_routes=self.routes,
            ages=self.ages,
        )
        return OtherDomains(sources, sources.waiting(), self.clock.seconds(), self.clock.seconds())


@pytest.fixture
def around() -> Neighbourhood:
    found = Neighbourhood()
    found.stream("calm.test")
    found.stream("busy.test", size=5000)
    found.stream("gone.test").stream_ended(1, 1, "idle")
    found.fail("lost.test")
    found.fail("stuck.test")
    found.wait("stuck.test", 7)
    found.wait("new.test", 2)
    found.wait("calm.test", 0)
    found.fail("stranger.test", Direction.IN)
    return found


def shown(domains: OtherDomains, **query: Any) -> list[str]:
    return [each.domain for each in domains.choose(0, 100, **query)[1]]


def test_every_domain_is_counted_in_one_state(around: Neighbourhood) -> None:
    domains = around.now()
    assert domains.counts == {"failing": 2, "opening": 1, "connected": 2, "quiet": 1, "turned-away": 1}
    assert (len(domains), domains.waiting) == (7, 9)


def test_the_order_of_trouble_has_what_waits_first_and_strangers_last(around: Neighbourhood) -> None:
    assert shown(around.now()) == [
        "stuck.test",
        "lost.test",
        "new.test",
        "busy.test",
        "calm.test",
        "gone.test",
        "stranger.test",
    ]


def test_other_orders_searches_and_states_are_made_of_everything_also_on_later_pages(around: Neighbourhood) -> None:
    domains = around.now()
    assert shown(domains, order=PeerOrder.NAME)[:2] == ["busy.test", "calm.test"]
    assert shown(domains, order=PeerOrder.WAITING)[:3] == ["stuck.test", "new.test", "lost.test"]
    assert shown(domains, order=PeerOrder.TRAFFIC)[0] == "busy.test"
    assert shown(domains, search="us") == ["busy.test"]
    assert shown(domains, state="quiet") == ["gone.test"]
    assert shown(domains, state="connected", order=PeerOrder.NAME) == ["busy.test", "calm.test"]
    total, page = domains.choose(5, 2)
    assert (total, [each.domain for each in page]) == (7, ["gone.test", "stranger.test"])


def test_of_several_streams_the_weakest_proof_and_the_oldest_tls_are_shown(around: Neighbourhood) -> None:
    log = around.stream("calm.test", WEAK, Direction.OUT)
    [calm] = [each for each in around.now().records() if each.domain == "calm.test"]
    assert (calm.streams_in, calm.streams_out) == (1, 1)
    assert (calm.they_to_us, calm.we_to_them, calm.tls) == ("address", "dialback", "TLSv1.2")
    assert (calm.certificate_fault, calm.certificate_days) == ("the certificate expired on 2026-01-01", -3.0)
    log.stream_ended(1, 1, "idle")
    found = around.now().find("calm.test")
    assert found is not None
    assert (found.they_to_us, found.we_to_them, found.certificate_days) == ("external", "shown", 60.0)


def test_the_telling_ones_are_the_worst_and_then_the_busiest(around: Neighbourhood) -> None:
    found = [each.domain for each in around.now().telling(2, 4)]
    assert found == ["stuck.test", "lost.test", "busy.test", "calm.test"]


def test_a_domain_that_was_forgotten_is_counted_nowhere() -> None:
    found = Neighbourhood()
    found.fates = Fates(found.clock.seconds, domains=3)
    for number in range(5):
        found.fail(f"p{number}.test")
    domains = found.now()
    assert (len(domains), domains.counts) == (3, {"failing": 3})


def test_the_age_of_the_oldest_stanza_that_waits_is_read_from_the_outbox(around: Neighbourhood) -> None:
    around.keeper.outbox = outbox = MemoryOutbox(limits=OutboxLimits(bytes=10_000))
    for sender, accepted in (("im.test", 20.0), ("bridge.test", 10.0)):
        outbox.put(DomainPair(Domain(sender), Domain("stuck.test")), [b"<message/>"], accepted=accepted, expires=1e9)
    around.clock.advance(100)
    ages = Ages(around.keeper)
    ages.read()
    assert ages.oldest == {"stuck.test": 10.0}
    around.ages = ages
    stuck = around.now().find("stuck.test")
    assert stuck is not None
    assert stuck.oldest == around.clock.seconds() - 10
