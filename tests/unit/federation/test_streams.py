"""OutboundStreams: which stream serves for what."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.federation.delivery_failures import NOT_THERE, OUT_OF_REACH, DeliveryFailed, Told
from gateway.federation.streams import FURTHER_PAIR_SECONDS, OutboundStreams
from gateway.stream.events import PairChecked, VerifyPair
from gateway.xmpp.addresses import Domain, DomainPair

FAR = Domain("far.test")
PAIR, FURTHER = (DomainPair(Domain(name), FAR) for name in ("ours.test", "more.ours.test"))
KEY = VerifyPair(pair=PAIR.reversed(), stream_id="1", key="0123")


class Stream:
    """A session, as far as it concerns who looks for one."""

    def __init__(self, log: list[str], pair: DomainPair, *, takes_more_pairs: bool = False) -> None:
        self.pair = pair
        self.is_usable = True
        self.takes_more_pairs = takes_more_pairs
        self.proofs = [pair]
        self.proving: Deferred[Stream] = Deferred()
        self.questions: list[Deferred[PairChecked]] = []
        self._log = log

    @property
    def facts(self) -> Stream:
        return self

    def carries(self, pair: DomainPair) -> bool:
        return pair in self.proofs

    def prove(self, pair: DomainPair) -> Deferred[Stream]:
        self._log.append(f"prove {pair.sender}")
        return self.proving

    def ask(self, pair: DomainPair, stream_id: str, key: str) -> Deferred[PairChecked]:
        self._log.append(f"ask about {pair.sender} {stream_id}")
        self.questions.append(Deferred())
        return self.questions[-1]


class StreamsHarness:
    """Streams that are opened when a test says so; `log` is what happens, in order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.openings: list[Deferred[Any]] = []
        self.gone: list[Any] = []
        self.clock = Clock()
        self.streams = OutboundStreams(self, self.clock, most_verifications=3)  # type: ignore[arg-type]

    def open(self, pair: DomainPair, gone: Any, *, only_questions: bool, resuming: Any = None) -> Deferred[Any]:
        self.log.append(f"open {'for questions' if only_questions else 'for stanzas'} from {pair.sender}")
        self.openings.append(Deferred())
        self.gone.append(gone)
        return self.openings[-1]

    def want(self, pair: DomainPair = PAIR) -> Deferred[Any]:
        """A route wants a stream; what it gets goes into the list."""
        wanted = self.streams.open(pair)
        wanted.addCallbacks(lambda stream: self.log.append(f"{pair.sender} has one"), self._failed)
        return wanted

    def verify(self, order: VerifyPair = KEY) -> None:
        self.streams.verify(order).addCallback(
            lambda checked: self.log.append(f"checked: {checked.valid} {checked.condition}".strip())
        )

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
    assert harness.log == ["open for stanzas from ours.test", "ours.test has one", "ours.test has one"]


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
    assert harness.log == ["open for stanzas from ours.test"]


def test_another_domain_of_ours_has_a_stream_of_its_own(harness: StreamsHarness) -> None:
    harness.want()
    harness.stands()
    harness.log.clear()
    harness.want(FURTHER)
    assert harness.log == ["open for stanzas from more.ours.test"]


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
    assert harness.log == ["prove more.ours.test", "open for stanzas from more.ours.test", "more.ours.test has one"]


def test_a_pair_that_gets_no_answer_there_has_a_stream_of_its_own(harness: StreamsHarness) -> None:
    harness.want()
    harness.stands(takes_more_pairs=True)
    harness.log.clear()
    harness.want(FURTHER)
    harness.clock.advance(FURTHER_PAIR_SECONDS)
    harness.stands(FURTHER)
    assert harness.log == ["prove more.ours.test", "open for stanzas from more.ours.test", "more.ours.test has one"]
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
    assert harness.log == ["ours.test has one", "open for stanzas from more.ours.test"]


# Questions about keys.


def test_a_key_is_asked_for_on_a_stream_of_the_same_pair(harness: StreamsHarness) -> None:
    harness.want()
    stream = harness.stands()
    harness.log.clear()
    harness.verify()
    stream.questions[-1].callback(PairChecked(pair=KEY.pair, valid=True))
    assert harness.log == ["ask about far.test 1", "checked: True"]


def test_or_on_one_that_is_opened_for_questions_and_kept(harness: StreamsHarness) -> None:
    harness.verify()
    stream = harness.stands()
    stream.questions[-1].callback(PairChecked(pair=KEY.pair, valid=False))
    harness.verify()
    assert harness.log == [
        "open for questions from ours.test",
        "ask about far.test 1",
        "checked: False",
        "ask about far.test 1",
    ]


def test_which_is_one_for_all_who_ask_at_once(harness: StreamsHarness) -> None:
    harness.verify()
    harness.verify(VerifyPair(pair=KEY.pair, stream_id="2", key="4567"))
    harness.stands()
    assert harness.log == ["open for questions from ours.test", "ask about far.test 1", "ask about far.test 2"]


def test_and_is_opened_again_when_it_is_gone(harness: StreamsHarness) -> None:
    harness.verify()
    harness.gone[-1](harness.stands(), "it broke", None)
    harness.log.clear()
    harness.verify()
    assert harness.log == ["open for questions from ours.test"]


def test_it_does_not_serve_for_stanzas(harness: StreamsHarness) -> None:
    harness.verify()
    harness.stands()
    harness.log.clear()
    harness.want()
    assert harness.log == ["open for stanzas from ours.test"]


@pytest.mark.parametrize("told", [NOT_THERE, OUT_OF_REACH])
def test_a_key_that_cannot_be_asked_for_is_neither_valid_nor_invalid(harness: StreamsHarness, told: Told) -> None:
    harness.verify()
    harness.verify(VerifyPair(pair=KEY.pair, stream_id="2", key="4567"))
    harness.openings[-1].errback(DeliveryFailed("no", told))
    assert harness.log[1:] == [f"checked: None {told.condition}"] * 2
    harness.verify()
    assert harness.log[-1] == "open for questions from ours.test"


def test_not_too_many_keys_are_verified_at_once_for_all_streams_together(harness: StreamsHarness) -> None:
    for number in range(4):
        sender = Domain(f"d{number}.test")
        harness.verify(VerifyPair(pair=DomainPair(sender, PAIR.sender), stream_id="id", key="key"))
    assert len(harness.openings) == 3
    assert harness.log[-1] == "checked: None resource-constraint"
    harness.openings[0].errback(DeliveryFailed("nobody there"))
    harness.verify(VerifyPair(pair=DomainPair(Domain("d5.test"), PAIR.sender), stream_id="id", key="key"))
    assert len(harness.openings) == 4
