"""H-01: answers to dialback that nobody asked for change nothing about who may send what (CVE-2012-3525).

The answers come on streams of both roles, in both states, as db:result and db:verify, valid: for the pair that waits
and for others, with the id that waits and with others. Only the one that was asked for counts, once.
"""

from __future__ import annotations

from itertools import product

import pytest

from gateway.features.dialback import Dialback
from gateway.stream.events import PairChecked, PairVerified, VerificationAnswered
from gateway.stream.facts import Role
from gateway.xmpp.addresses import Domain, DomainPair
from tests.support.talk import (
    FEATURES,
    IN_CLEAR,
    INBOUND,
    KEYS,
    OUTBOUND,
    Talk,
    header,
    message,
    proved,
    under_tls,
)

DOMAINS = ("theirs.test", "ours.test", "evil.test")
PAIRS = [(from_, to) for from_, to in product(DOMAINS, repeat=2) if from_ != to]
FORGED = DomainPair(Domain("evil.test"), Domain("ours.test"))
DIALBACK = Dialback(KEYS, lambda domain: True, lambda pair: IN_CLEAR)


def result(from_: str, to: str) -> str:
    return f"<db:result from='{from_}' to='{to}' type='valid'/>"


def verify(from_: str, to: str, id_: str) -> str:
    return f"<db:verify from='{from_}' to='{to}' id='{id_}' type='valid'/>"


def everything_but(*asked: str) -> list[str]:
    answers = [result(*pair) for pair in PAIRS] + [verify(*pair, id_) for pair in PAIRS for id_ in ("id-1", "s", "x")]
    return [answer for answer in answers if answer not in asked]


def asserting() -> Talk:
    """One of our streams on which the pair of the stream waits for its verdict."""
    return under_tls(Role.INITIATING, certificate=None).open().hear(header(id_="id-1"), FEATURES)


def asking() -> Talk:
    """One of our streams on which a question about one of their keys waits for its answer."""
    talking = proved(Role.INITIATING)
    return talking.perform(lambda facts: DIALBACK.ask(facts, INBOUND, "s", "key")).forget()


def checking() -> Talk:
    """One of their streams, of which a key is being checked somewhere else."""
    return under_tls(certificate=None).hear(header(), "<db:result from='theirs.test' to='ours.test'>key</db:result>")


@pytest.mark.parametrize("answer", everything_but(result("theirs.test", "ours.test")))
def test_h_01_only_the_verdict_that_waits_counts(answer: str) -> None:
    talking = asserting().forget().hear(answer)
    assert not talking.stream.facts.proofs
    assert not talking.stream.is_established
    assert talking.events == []
    assert talking.hear(result("theirs.test", "ours.test")).stream.facts.proves(OUTBOUND)


@pytest.mark.parametrize("answer", everything_but(verify("theirs.test", "ours.test", "s")))
def test_h_01_only_the_answer_that_waits_counts(answer: str) -> None:
    talking = asking()
    before = talking.stream.facts
    assert talking.hear(answer).events == []
    assert talking.stream.facts == before
    (answered,) = talking.hear(verify("theirs.test", "ours.test", "s")).events
    assert answered == VerificationAnswered(pair=INBOUND, stream_id="s", valid=True, text="")
    assert talking.forget().hear(verify("theirs.test", "ours.test", "s")).events == []


@pytest.mark.parametrize("begin", [checking, proved, under_tls])
@pytest.mark.parametrize("answer", everything_but())
def test_h_01_who_calls_answers_nothing(begin, answer: str) -> None:
    talking = begin()
    if begin is under_tls:
        talking.hear(header())
    before = talking.stream.facts
    assert talking.forget().hear(answer).events == []
    assert talking.stream.facts == before


def test_h_01_stanzas_do_not_pass_after_such_an_answer() -> None:
    talking = checking().forget().hear(result("theirs.test", "ours.test"), message())
    assert talking.error == "not-authorized"


@pytest.mark.parametrize("answer", [PairChecked(pair=FORGED, valid=True), PairChecked(pair=OUTBOUND, valid=True)])
def test_h_01_also_our_own_check_counts_for_the_pair_that_waits_alone(answer: PairChecked) -> None:
    talking = checking().forget().answer(answer)
    assert talking.said == []
    assert not talking.stream.facts.proofs
    talking.answer(PairChecked(pair=INBOUND, valid=True))
    assert [event.pair for event in talking.events if isinstance(event, PairVerified)] == [INBOUND]
    assert set(talking.stream.facts.proofs) == {INBOUND}
