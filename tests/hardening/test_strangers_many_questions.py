"""Many questions in one read: each is answered, however many there are and however soon the answers come."""

from __future__ import annotations

import sys

import pytest

from gateway.features.stream_management import ResumeStream, ResumptionDecided, StreamManagement
from gateway.stream.facts import ServerFacts
from gateway.stream.profiles import server_profile
from gateway.stream.stream import Output
from tests.support.talk import header
from tests.support.wire import Wire

RESUME = "<resume xmlns='urn:xmpp:sm:3' previd='{}' h='0'/>"
MANY = 2 * sys.getrecursionlimit()


class Knowing(Wire):
    """A session that answers every question before the call returns, or all of them later."""

    answers_later = False

    def __init__(self) -> None:
        self.asked: list[str] = []
        always: StreamManagement[ServerFacts] = StreamManagement(lambda facts: False, lambda facts: True)
        super().__init__(profile=server_profile(always))
        self.type(header())
        self.heard()

    def happened(self, output: Output) -> None:
        super().happened(output)
        if isinstance(output, ResumeStream):
            self.asked.append(output.id)
            if not self.answers_later:
                self.answer(output.id)

    def answer(self, id_: str) -> None:
        self.connection.answer(ResumptionDecided(id=id_, resumed=False))


def test_questions_that_are_answered_at_once_do_not_pile_up() -> None:
    wire = Knowing()
    ids = [str(number) for number in range(MANY)]
    wire.type("".join(map(RESUME.format, ids)))
    assert wire.asked == ids
    assert wire.heard().count("<item-not-found ") == MANY


def test_a_question_waits_for_the_answer_to_the_one_before() -> None:
    wire = Knowing()
    wire.answers_later = True
    wire.type(RESUME.format("1") + RESUME.format("2"))
    assert wire.asked == ["1"]
    wire.answer("1")
    assert wire.asked == ["1", "2"]


@pytest.mark.parametrize("leaves", [True, False])
def test_nothing_is_answered_behind_the_end(leaves: bool) -> None:
    wire = Knowing()
    wire.answers_later = True
    wire.type(RESUME.format("1") + RESUME.format("2"))
    wire.leave() if leaves else wire.connection.close()
    wire.heard()
    wire.answer("1")
    assert (wire.asked, wire.heard()) == (["1"], "")
