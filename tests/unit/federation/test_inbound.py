"""InboundSession: what a stream from another server may bring in, and whose keys are verified."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.federation.broken_streams import BrokenStreams
from gateway.federation.inbound import InboundSession
from gateway.federation.resumable_streams import ResumableStreams
from gateway.notices.attempts.records import Direction
from gateway.stream.events import PairChecked, PairVerified, VerifyPair
from gateway.stream.facts import Means, Role, ServerFacts
from gateway.xmpp.addresses import Domain, DomainPair
from tests.support.neighbours import Neighbours
from tests.support.trees import stanza
from tests.unit.federation.lines import DIALBACK, Line, attempt, tools

PAIR = DomainPair(Domain("far.test"), Domain("ours.test"))
SECOND = DomainPair(Domain("second.test"), PAIR.target)
FACTS = ServerFacts(role=Role.RECEIVING, local=PAIR.target, remote=PAIR.sender).with_proof(PAIR, Means.EXTERNAL)
MESSAGE = "<message from='{from_}' to='{to}'><body>Hi</body></message>"


class Nobody:
    """Lenders where nothing is ever lent, and no stream has broken."""

    broken = BrokenStreams(Clock(), lambda broken: Deferred())

    def unlend(self, session: object) -> None:
        pass


class InboundHarness:
    """A session with its connection; `reached` is which domains are known to be there."""

    def __init__(self) -> None:
        self.questions: list[Deferred[PairChecked]] = []
        self.reached: list[DomainPair] = []
        self.neighbours = Neighbours()
        self.line = Line(FACTS)
        self.session = InboundSession(
            self.line,
            attempt(Direction.IN),
            DIALBACK,
            tools(self.neighbours),
            verify=self.verify,
            reached=self.reached.append,
            lenders=Nobody(),  # type: ignore[arg-type]
            resumable_streams=ResumableStreams(lambda: "id", lambda: 0.0),
        )
        self.line.carries(self.session)
        self.line.established()

    def verify(self, order: VerifyPair, _: object) -> Deferred[PairChecked]:
        self.questions.append(Deferred())
        return self.questions[-1]

    def says(self, *texts: str) -> None:
        self.session.stanzas_received([stanza(text) for text in texts])

    def got(self) -> list[str]:
        return [str(each.from_) for each in self.neighbours.inside.got]


@pytest.fixture
def harness() -> InboundHarness:
    return InboundHarness()


def order(stream_id: str = "1") -> VerifyPair:
    return VerifyPair(pair=SECOND, stream_id=stream_id, key="0123")


# Stanzas.


def test_stanzas_of_a_proved_pair_pass(harness: InboundHarness) -> None:
    harness.says(*(MESSAGE.format(from_=f"{name}@far.test", to="ours.test") for name in "ab"))
    assert harness.got() == ["a@far.test", "b@far.test"]
    assert harness.line.log == []


@pytest.mark.parametrize(
    ("from_", "to", "condition"),
    [
        ("a@second.test", "ours.test", "invalid-from"),
        ("a@ours.test", "ours.test", "invalid-from"),
        ("a@far.test", "third.test", "host-unknown"),
    ],
)
def test_any_other_ends_the_stream_after_what_was_before_it(
    harness: InboundHarness, from_: str, to: str, condition: str
) -> None:
    good = MESSAGE.format(from_="a@far.test", to="ours.test")
    harness.says(good, MESSAGE.format(from_=from_, to=to), good)
    assert harness.got() == ["a@far.test"]
    assert harness.line.log == [f"close {condition}"]
    assert harness.neighbours.outside.got == []


def test_a_malformed_to_is_answered_and_the_stream_goes_on(harness: InboundHarness) -> None:
    good = MESSAGE.format(from_="a@far.test", to="ours.test")
    harness.says(MESSAGE.format(from_="a@far.test", to="@"), good)
    (answer,) = harness.neighbours.outside.got
    assert (answer.type, str(answer.to), str(answer.from_)) == ("error", "a@far.test", "ours.test")
    assert b"jid-malformed" in answer.raw
    assert harness.got() == ["a@far.test"]


# Signs of life.


def test_a_stanza_and_a_proof_say_that_the_domain_is_there(harness: InboundHarness) -> None:
    harness.line.happens(PairVerified(pair=PAIR, means=Means.EXTERNAL))
    harness.says(MESSAGE.format(from_="a@far.test", to="ours.test"))
    assert harness.reached == [PAIR.reversed(), PAIR.reversed()]


def test_a_stanza_that_is_refused_says_nothing(harness: InboundHarness) -> None:
    harness.says(MESSAGE.format(from_="a@second.test", to="ours.test"))
    assert harness.reached == []


# Keys.


def test_a_key_is_verified_and_the_outcome_told(harness: InboundHarness) -> None:
    harness.line.happens(order())
    assert harness.line.log == []
    checked = PairChecked(pair=SECOND, valid=True)
    harness.questions[0].callback(checked)
    assert harness.line.log == [checked]


def test_not_too_many_keys_at_once(harness: InboundHarness) -> None:
    for number in range(101):
        harness.line.happens(order(str(number)))
    assert len(harness.questions) == 100
    (refused,) = harness.line.log
    assert (refused.valid, refused.condition) == (None, "resource-constraint")
    harness.questions[0].callback(PairChecked(pair=SECOND, valid=False))
    harness.line.happens(order("next"))
    assert len(harness.questions) == 101
