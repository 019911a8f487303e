"""Questions about dialback keys: an answer counts for the very question, and each question ends."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError

from gateway.federation.key_questions import KeyQuestions
from gateway.stream.events import PairChecked, VerificationAnswered
from gateway.xmpp.addresses import Domain, DomainPair

PAIR = DomainPair(Domain("far.test"), Domain("here.test"))


def answer(valid: bool | None = True, pair: DomainPair = PAIR, stream_id: str = "1") -> VerificationAnswered:
    return VerificationAnswered(pair=pair, stream_id=stream_id, valid=valid, text="why")


@pytest.mark.parametrize("valid", [True, False])
def test_an_answer_is_the_outcome(valid: bool) -> None:
    questions = KeyQuestions()
    results: list[PairChecked] = []
    questions.put(PAIR, "1").addCallback(results.append)
    questions.answered(answer(valid))
    assert results == [PairChecked(pair=PAIR, valid=valid)]
    assert len(questions) == 0


def test_an_error_is_neither_valid_nor_invalid() -> None:
    questions = KeyQuestions()
    results: list[PairChecked] = []
    questions.put(PAIR, "1").addCallback(results.append)
    questions.answered(answer(None))
    assert results == [PairChecked(pair=PAIR, valid=None, condition="remote-server-not-found", text="why")]


@pytest.mark.parametrize(
    "other",
    [
        answer(stream_id="2"),
        answer(pair=PAIR.reversed()),
        answer(pair=DomainPair(Domain("other.test"), PAIR.target)),
        answer(pair=DomainPair(PAIR.sender, Domain("other.test"))),
    ],
)
def test_h_01_the_answer_to_another_question_is_ignored(other: VerificationAnswered) -> None:
    questions = KeyQuestions()
    wait = questions.put(PAIR, "1")
    questions.answered(other)
    assert not wait.called
    assert len(questions) == 1


def test_all_who_asked_the_same_are_answered_once() -> None:
    questions = KeyQuestions()
    results: list[bool | None] = []
    for _ in range(2):
        questions.put(PAIR, "1").addCallback(lambda checked: results.append(checked.valid))
    questions.answered(answer())
    questions.answered(answer(False))
    assert results == [True, True]


def test_no_question_outlives_its_stream() -> None:
    questions = KeyQuestions()
    results: list[PairChecked] = []
    questions.put(PAIR, "1").addCallback(results.append)
    questions.lost("the connection was lost")
    assert [(each.valid, each.condition) for each in results] == [(None, "remote-server-timeout")]
    assert len(questions) == 0


def test_too_many_questions_are_not_put() -> None:
    questions = KeyQuestions(most=1)
    questions.put(PAIR, "1")
    results: list[PairChecked] = []
    questions.put(PAIR, "2").addCallback(results.append)
    assert [(each.valid, each.condition) for each in results] == [(None, "resource-constraint")]


def test_a_question_that_is_given_up_gives_its_place_back() -> None:
    questions = KeyQuestions(most=2)
    given_up, other = questions.put(PAIR, "1"), questions.put(PAIR, "1")
    given_up.addErrback(lambda failure: failure.trap(CancelledError))
    given_up.cancel()
    assert len(questions) == 1
    results: list[bool | None] = []
    other.addCallback(lambda checked: results.append(checked.valid))
    questions.put(PAIR, "2").addCallback(lambda checked: results.append(checked.valid))
    questions.answered(answer())
    questions.answered(answer(stream_id="2"))
    assert results == [True, True]
