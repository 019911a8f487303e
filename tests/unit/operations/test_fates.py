"""How streams with each domain fare: what failed, since when, and what does not count as a failure or as its end."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from gateway.notices.attempts.proofs import Proofs
from gateway.notices.attempts.records import Direction
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.operations.fates import CALM_SECONDS, EstablishedStream, Fates
from gateway.stream.facts import Means
from gateway.xmpp.addresses import Domain, DomainPair


class Watched:
    """Fates, and streams that fare in some way."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.fates = Fates(self.clock.seconds, domains=100, strangers=10)
        self._number = 0

    def stream(
        self, verdict: Verdict = Verdict.ESTABLISHED, direction: Direction = Direction.OUT, local: str = "im.test"
    ) -> StreamLog:
        self._number += 1
        log = StreamLog(self.fates.notice, self.clock.seconds, self._number, direction, local=local, remote="far.test")
        log.end(verdict, "the reason")
        return log

    def is_failing(self) -> bool:
        fate = self.fates.of("far.test")
        return fate is not None and fate.failing(self.clock.seconds()) is not None


@pytest.fixture
def watched() -> Watched:
    return Watched()


def end(log: StreamLog, verdict: Verdict, reason: str = "policy-violation") -> None:
    log.stream_ended(10, 20, reason, verdict)


def test_a_stream_that_was_accepted_and_then_closed_over_something_is_failing(watched: Watched) -> None:
    log = watched.stream()
    assert not watched.is_failing()
    end(log, Verdict.CLOSED_BY_PEER)
    assert watched.is_failing()


def test_that_failure_is_not_over_when_the_next_stream_is_accepted_but_when_it_lasts(watched: Watched) -> None:
    end(watched.stream(), Verdict.CLOSED_BY_PEER)
    watched.clock.advance(100)
    end(watched.stream(), Verdict.CLOSED_BY_PEER)
    watched.stream()
    fate = watched.fates.of("far.test")
    assert fate is not None
    failing = fate.failing(watched.clock.seconds())
    assert failing is not None
    assert (failing.since, failing.failures, failing.reason) == (0, 2, "policy-violation")
    watched.clock.advance(CALM_SECONDS)
    assert not watched.is_failing()


def test_a_stream_that_ends_in_an_ordinary_way_leaves_all_well(watched: Watched) -> None:
    end(watched.stream(), Verdict.ENDED, "idle")
    assert not watched.is_failing()


def test_a_failed_attempt_is_over_with_the_next_established_stream(watched: Watched) -> None:
    watched.stream(Verdict.NO_ANSWER)
    watched.clock.advance(50)
    watched.stream(Verdict.NO_ANSWER)
    fate = watched.fates.of("far.test")
    assert fate is not None
    failing = fate.failing(watched.clock.seconds())
    assert failing is not None
    assert (failing.since, failing.when, failing.failures) == (0, 50, 2)
    watched.stream()
    assert not watched.is_failing()


def test_their_stream_to_us_does_not_hide_that_ours_to_them_fails(watched: Watched) -> None:
    watched.stream(Verdict.UNREACHABLE)
    watched.stream(direction=Direction.IN)
    assert watched.is_failing()


def test_one_domain_of_ours_does_not_hide_that_another_one_is_refused(watched: Watched) -> None:
    watched.stream(Verdict.PROOF_REFUSED, local="bridge.test")
    watched.clock.advance(10)
    watched.stream(local="im.test")
    assert watched.is_failing()
    watched.stream(local="bridge.test")
    assert not watched.is_failing()


@pytest.mark.parametrize("verdict", [Verdict.SAID_NOTHING, Verdict.QUESTIONS_ANSWERED])
def test_what_asked_for_nothing_is_no_news_of_a_domain(watched: Watched, verdict: Verdict) -> None:
    watched.stream(verdict, Direction.IN)
    assert watched.fates.of("far.test") is None


def test_a_stranger_under_a_known_name_does_not_make_it_fail(watched: Watched) -> None:
    watched.stream(direction=Direction.IN)
    watched.stream(Verdict.NOT_TRUSTED, Direction.IN)
    assert not watched.is_failing()


def test_a_name_that_nobody_has_proved_is_kept_apart_until_it_is(watched: Watched) -> None:
    watched.stream(Verdict.NOT_TRUSTED, Direction.IN)
    fate = watched.fates.of("far.test")
    assert fate is not None
    assert not fate.is_known
    watched.stream(direction=Direction.IN)
    proved = watched.fates.of("far.test")
    assert proved is not None
    assert proved.is_known
    assert list(watched.fates.strangers) == []


def test_open_streams_are_known_until_they_end(watched: Watched) -> None:
    log = watched.stream(direction=Direction.IN)
    fate = watched.fates.of("far.test")
    assert fate is not None
    assert [each.direction for each in fate.streams.values()] == ["in"]
    assert set(watched.fates.open) == {"far.test"}
    end(log, Verdict.ENDED)
    assert set(watched.fates.open) == set()


def domains_on(watched: Watched, domain: str) -> list[EstablishedStream]:
    fate = watched.fates.of(domain)
    return list(fate.streams.values()) if fate is not None else []


@pytest.mark.parametrize("direction", Direction)
def test_a_domain_whose_only_pair_rides_on_the_stream_of_another_one_is_connected(
    watched: Watched, direction: Direction
) -> None:
    log = watched.stream(direction=direction)
    ours, theirs = Domain("im.test"), Domain("second.test")
    pair = DomainPair(ours, theirs) if direction is Direction.OUT else DomainPair(theirs, ours)
    proofs = Proofs(Means.DIALBACK, Means.DIALBACK)
    log.further_pair(pair, "by dialback", ok=True, proofs=proofs)
    assert domains_on(watched, "second.test") == [EstablishedStream(direction, proofs)]
    assert set(watched.fates.open) == {"far.test", "second.test"}
    end(log, Verdict.CLOSED_BY_PEER)
    assert set(watched.fates.open) == set()
    assert set(watched.fates.failed) == {"far.test", "second.test"}  # it ended for each of them


def test_a_further_pair_that_is_refused_is_not_connected(watched: Watched) -> None:
    watched.stream().further_pair(DomainPair(Domain("im.test"), Domain("second.test")), "refused", ok=False)
    assert domains_on(watched, "second.test") == []


def test_a_domain_of_ours_that_was_refused_works_once_its_pair_is_proved(watched: Watched) -> None:
    watched.stream(Verdict.PROOF_REFUSED, local="bridge.test")
    log = watched.stream()
    assert watched.is_failing()
    log.further_pair(DomainPair(Domain("bridge.test"), Domain("far.test")), "by dialback", ok=True)
    assert not watched.is_failing()
    assert len(domains_on(watched, "far.test")) == 1  # two pairs, one stream
