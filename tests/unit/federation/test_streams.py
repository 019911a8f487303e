"""OutboundStreams: which stream serves for what."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.federation.delivery_failures import DeliveryFailed
from gateway.federation.streams import FURTHER_PAIR_SECONDS, OutboundStreams
from gateway.xmpp.addresses import Domain, DomainPair

FAR = Domain("far.test")
PAIR, FURTHER = (DomainPair(Domain(name), FAR) for name in ("ours.test", "more.ours.test"))


class Stream:
    """A session, as far as it concerns who looks for one."""

    def __init__(self, log: list[str], pair: DomainPair, *, takes_more_pairs: bool = False) -> None:
        self.pair = pair
        self.is_usable = True
        self.takes_more_pairs = takes_more_pairs
        self.proofs = [pair]
        self.proving: Deferred[Stream] = Deferred()
        self._log = log

    @property
    def facts(self) -> Stream:
        return self

    def carries(self, pair: DomainPair) -> bool:
        return pair in self.proofs

    def prove(self, pair: DomainPair) -> Deferred[Stream]:
        self._log.append(f"prove {pair.sender}")
        return self.proving


class StreamsHarness:
    """Streams that are opened when a test says so; `log` is what happens, in order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.openings: list[Deferred[Any]] = []
        self.gone: list[Any] = []
        self.clock = Clock()
        self.streams = OutboundStreams(self, self.clock)  # type: ignore[arg-type]

    def open(self, pair: DomainPair, gone: Any, *, only_questions: bool, resuming: Any = None) -> Deferred[Any]:
        assert not only_questions
        self.log.append(f"open one from {pair.sender}")
        self.openings.append(Deferred())
        self.gone.append(gone)
        return self.openings[-1]

    def want(self, pair: DomainPair = PAIR) -> Deferred[Any]:
        """A route wants a stream; what it gets goes into the list."""
        wanted = self.streams.open(pair)
        wanted.addCallbacks(lambda stream: self.log.append(f"{pair.sender} has one"), self._failed)
        return wanted

    def _failed(self, failure: Any) -> None:
        failure.trap(DeliveryFailed)
        self.log.append(f"failed: {failure.value.reason}")

    def stands(self, pair: DomainPair = PAIR, **what: bool) -> Stream:
        """The stream that was wanted last stands."""
        stream = Stream(self.log, pair, **what)
        self.openings[-1].callback(stream)
        return stream


@pytest.fixture
def harness() -> StreamsHarness:
    return StreamsHarness()


def test_a_stream_that_stands_is_used_again(harness: StreamsHarness) -> None:
    harness.want()
    harness.stands()
    harness.want()
    assert harness.log == ["open one from ours.test", "ours.test has one", "ours.test has one"]


@pytest.mark.parametrize("how", ["closing", "gone"])
def test_a_stream_that_ended_is_not(harness: StreamsHarness, how: str) -> None:
    harness.want()
    stream = harness.stands()
    if how == "closing":
        stream.is_usable = False
    else:
        harness.gone[-1](stream, "it broke", None)
        assert list(harness.streams) == []
    harness.log.clear()
    harness.want()
    assert harness.log == ["open one from ours.test"]


def test_another_domain_of_ours_has_a_stream_of_its_own(harness: StreamsHarness) -> None:
    harness.want()
    harness.stands()
    harness.log.clear()
    harness.want(FURTHER)
    assert harness.log == ["open one from more.ours.test"]


def test_or_shares_one_that_takes_further_pairs(harness: StreamsHarness) -> None:
    harness.want()
    stream = harness.stands(takes_more_pairs=True)
    harness.log.clear()
    harness.want(FURTHER)
    stream.proving.callback(stream)
    assert harness.log == ["prove more.ours.test", "more.ours.test has one"]


def test_a_pair_that_is_refused_there_has_a_stream_of_its_own(harness: StreamsHarness) -> None:
    harness.want()
    stream = harness.stands(takes_more_pairs=True)
    harness.log.clear()
    harness.want(FURTHER)
    stream.proving.errback(DeliveryFailed("refused"))
    harness.stands(FURTHER)
    assert harness.log == ["prove more.ours.test", "open one from more.ours.test", "more.ours.test has one"]


def test_a_pair_that_gets_no_answer_there_has_a_stream_of_its_own(harness: StreamsHarness) -> None:
    harness.want()
    harness.stands(takes_more_pairs=True)
    harness.log.clear()
    harness.want(FURTHER)
    harness.clock.advance(FURTHER_PAIR_SECONDS)
    harness.stands(FURTHER)
    assert harness.log == ["prove more.ours.test", "open one from more.ours.test", "more.ours.test has one"]
    assert harness.clock.getDelayedCalls() == []


def test_nothing_is_opened_for_whom_time_has_run_out(harness: StreamsHarness) -> None:
    harness.want()
    harness.stands(takes_more_pairs=True)
    harness.log.clear()
    wanted = harness.want(FURTHER)
    wanted.cancel()
    assert harness.log[0] == "prove more.ours.test"
    assert harness.log[1].startswith("failed: ")
    assert len(harness.log) == 2


def test_what_cannot_be_opened_fails(harness: StreamsHarness) -> None:
    harness.want()
    harness.openings[-1].errback(DeliveryFailed("no route to host"))
    assert harness.log[-1] == "failed: no route to host"


# Streams that others have opened.


def test_a_stream_that_is_lent_serves_its_pair(harness: StreamsHarness) -> None:
    lent = Stream(harness.log, PAIR)
    harness.streams.lend(lent, PAIR)  # type: ignore[arg-type]
    harness.want()
    harness.want(FURTHER)
    assert harness.log == ["ours.test has one", "open one from more.ours.test"]


# Streams that questions about keys may take.


def test_a_stream_is_found_for_the_pair_that_it_was_opened_for_alone(harness: StreamsHarness) -> None:
    harness.want()
    stream: Any = harness.stands()
    stream.proofs.append(FURTHER)
    harness.streams.lend(Stream(harness.log, FURTHER), FURTHER)  # type: ignore[arg-type]
    assert harness.streams.opened_for(PAIR) is stream
    assert harness.streams.opened_for(FURTHER) is None
    stream.is_usable = False
    assert harness.streams.opened_for(PAIR) is None
