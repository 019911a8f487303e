"""KeyVerifier: the stream on which the authoritative server is asked, and what follows when it cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.federation.delivery_failures import NOT_THERE, OUT_OF_REACH, DeliveryFailed, Told
from gateway.federation.verification import ANSWER_SECONDS, KeyVerifier
from gateway.federation.verification_places import VerificationPlaces
from gateway.stream.events import PairChecked, VerifyPair
from gateway.xmpp.addresses import Domain, DomainPair

PAIR = DomainPair(Domain("ours.test"), Domain("far.test"))
KEY = VerifyPair(pair=PAIR.reversed(), stream_id="1", key="0123")


class Stream:
    """A session, as far as it concerns who asks on it."""

    pair = PAIR

    def __init__(self, log: list[str]) -> None:
        self.questions: list[Deferred[PairChecked]] = []
        self._log = log

    def ask(self, pair: DomainPair, stream_id: str, key: str) -> Deferred[PairChecked]:
        self._log.append(f"ask about {pair.sender} {stream_id}")
        self.questions.append(Deferred())
        return self.questions[-1]


class VerifierHarness:
    """Streams that are opened when a test says so; `log` is what happens, in order."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.openings: list[Deferred[Any]] = []
        self.gone: list[Any] = []
        self.open_already: Stream | None = None
        self.clock = Clock()
        self.verifier = KeyVerifier(self, self._found, VerificationPlaces(3), self.clock)  # type: ignore[arg-type]

    def _found(self, pair: DomainPair) -> Stream | None:
        return self.open_already if pair == PAIR else None

    def open(self, pair: DomainPair, gone: Any, *, only_questions: bool, resuming: Any = None) -> Deferred[Any]:
        assert only_questions
        self.log.append(f"open one from {pair.sender}")
        self.openings.append(Deferred())
        self.gone.append(gone)
        return self.openings[-1]

    def verify(self, order: VerifyPair = KEY) -> None:
        self.verifier.verify(order).addCallback(
            lambda checked: self.log.append(f"checked: {checked.valid} {checked.condition}".strip())
        )

    def stands(self) -> Stream:
        """The stream that was wanted last stands."""
        stream = Stream(self.log)
        self.openings[-1].callback(stream)
        return stream


@pytest.fixture
def harness() -> VerifierHarness:
    return VerifierHarness()


def test_a_key_is_asked_for_on_a_stream_of_the_same_pair(harness: VerifierHarness) -> None:
    harness.open_already = stream = Stream(harness.log)
    harness.verify()
    stream.questions[-1].callback(PairChecked(pair=KEY.pair, valid=True))
    assert harness.log == ["ask about far.test 1", "checked: True"]


def test_or_on_one_that_is_opened_for_questions_and_kept(harness: VerifierHarness) -> None:
    harness.verify()
    stream = harness.stands()
    stream.questions[-1].callback(PairChecked(pair=KEY.pair, valid=False))
    harness.verify()
    assert harness.log == [
        "open one from ours.test",
        "ask about far.test 1",
        "checked: False",
        "ask about far.test 1",
    ]


def test_which_is_one_for_all_who_ask_at_once(harness: VerifierHarness) -> None:
    harness.verify()
    harness.verify(VerifyPair(pair=KEY.pair, stream_id="2", key="4567"))
    harness.stands()
    assert harness.log == ["open one from ours.test", "ask about far.test 1", "ask about far.test 2"]


def test_and_is_opened_again_when_it_is_gone(harness: VerifierHarness) -> None:
    harness.verify()
    harness.gone[-1](harness.stands(), "it broke", None)
    assert list(harness.verifier) == []
    harness.log.clear()
    harness.verify()
    assert harness.log == ["open one from ours.test"]


@pytest.mark.parametrize("told", [NOT_THERE, OUT_OF_REACH])
def test_a_key_that_cannot_be_asked_for_is_neither_valid_nor_invalid(harness: VerifierHarness, told: Told) -> None:
    harness.verify()
    harness.verify(VerifyPair(pair=KEY.pair, stream_id="2", key="4567"))
    harness.openings[-1].errback(DeliveryFailed("no", told))
    assert harness.log[1:] == [f"checked: None {told.condition}"] * 2
    harness.verify()
    assert harness.log[-1] == "open one from ours.test"


def test_not_too_many_keys_are_verified_at_once_for_all_streams_together(harness: VerifierHarness) -> None:
    for number in range(4):
        sender = Domain(f"d{number}.test")
        harness.verify(VerifyPair(pair=DomainPair(sender, PAIR.sender), stream_id="id", key="key"))
    assert len(harness.openings) == 3
    assert harness.log[-1] == "checked: None resource-constraint"
    harness.openings[0].errback(DeliveryFailed("nobody there"))
    harness.verify(VerifyPair(pair=DomainPair(Domain("d5.test"), PAIR.sender), stream_id="id", key="key"))
    assert len(harness.openings) == 4


@pytest.mark.parametrize("is_open", [False, True], ids=["on a stream for questions", "on an open stream"])
def test_a_server_that_does_not_answer_in_time_gives_back_the_place_and_a_late_answer_is_ignored(
    harness: VerifierHarness, is_open: bool
) -> None:
    if is_open:
        harness.open_already = stream = Stream(harness.log)
        harness.verify()
    else:
        harness.verify()
        harness.clock.advance(ANSWER_SECONDS)  # opening has its own time
        stream = harness.stands()
    harness.clock.advance(ANSWER_SECONDS - 1)
    assert harness.log[-1] == "ask about far.test 1"
    harness.clock.advance(1)
    assert harness.log[-1] == "checked: None remote-server-timeout"
    stream.questions[-1].callback(PairChecked(pair=KEY.pair, valid=True))
    assert harness.log[-1] == "checked: None remote-server-timeout"
    for _ in range(3):
        harness.verify()
    assert harness.log[-3:] == ["ask about far.test 1"] * 3
    assert len(harness.clock.getDelayedCalls()) == 3
