"""Requests that wait for an answer: known by asker, asked and id, bounded, abandoned once."""

from __future__ import annotations

import pytest

from gateway.routing.requests import Requests
from gateway.xmpp.stanzas import Stanza
from tests.support.trees import stanza

ASKED = "<iq type='get' id='{id}' from='{asker}' to='{asked}'><ping xmlns='urn:xmpp:ping'/></iq>"
ANSWER = "<iq type='{type}' id='{id}' from='{asked}' to='{asker}'/>"
HERE, THERE = "a@here.test/1", "b@there.test/2"


def request(id_: str = "1", asker: str = HERE, asked: str = THERE) -> Stanza:
    return stanza(ASKED.format(id=id_, asker=asker, asked=asked))


def response(id_: str = "1", asker: str = HERE, asked: str = THERE, type_: str = "result") -> Stanza:
    return stanza(ANSWER.format(id=id_, asker=asker, asked=asked, type=type_))


def ids(stanzas: list[Stanza]) -> list[str | None]:
    return [each.id for each in stanzas]


def test_what_is_open_is_abandoned_once_and_oldest_first() -> None:
    requests = Requests()
    for number in "312":
        requests.asked("there", request(number))
    assert ids(requests.abandoned("there")) == ["3", "1", "2"]
    assert requests.abandoned("there") == []
    assert len(requests) == 0


@pytest.mark.parametrize("type_", ["result", "error"])
def test_what_is_answered_is_open_no_longer(type_: str) -> None:
    requests = Requests()
    requests.asked("there", request())
    requests.answered("there", response(type_=type_))
    assert requests.abandoned("there") == []


@pytest.mark.parametrize(
    ("responder", "answer"),
    [
        ("there", response("2")),
        ("there", response(asked="b@there.test/other")),
        ("there", response(asker="c@here.test")),
        ("elsewhere", response()),
    ],
)
def test_the_answer_to_another_question_changes_nothing(responder: str, answer: Stanza) -> None:
    requests = Requests()
    requests.asked("there", request())
    requests.answered(responder, answer)
    assert ids(requests.abandoned("there")) == ["1"]


def test_each_responder_has_its_own() -> None:
    requests = Requests()
    requests.asked("there", request("1"))
    requests.asked("elsewhere", request("2"))
    assert ids(requests.abandoned("elsewhere")) == ["2"]
    assert len(requests) == 1


def test_only_those_that_waited_at_some_moment_may_be_abandoned() -> None:
    requests = Requests()
    requests.asked("there", request("1"))
    requests.asked("there", request("2"))
    then = requests.waiting("there")
    requests.answered("there", response("1"))
    requests.asked("there", request("3"))
    assert ids(requests.abandoned("there", then)) == ["2"]
    assert ids(requests.abandoned("there")) == ["3"]


def test_the_oldest_are_forgotten_when_there_are_too_many() -> None:
    requests = Requests(most_each=2)
    for number in "123":
        requests.asked("there", request(number))
    assert ids(requests.abandoned("there")) == ["2", "3"]


def test_what_is_kept_is_enough_for_an_answer_and_no_more() -> None:
    requests = Requests()
    requests.asked("there", request())
    (kept,) = requests.abandoned("there")
    assert (kept.name, kept.type, str(kept.from_), str(kept.to), kept.raw) == ("iq", "get", HERE, THERE, b"")


# What is given up.


def test_an_answer_in_time_is_the_answer() -> None:
    requests = Requests()
    requests.asked("there", request())
    assert requests.answered("there", response())
    assert requests.answered("there", response("2"))  # whatever it answers, it was not given up


def test_what_was_given_up_has_no_second_answer() -> None:
    requests = Requests()
    requests.asked("there", request("1"))
    requests.asked("there", request("2"))
    requests.abandoned("there", frozenset({(HERE, THERE, "1")}))
    assert not requests.answered("there", response("1"))
    assert requests.answered("there", response("2"))


def test_an_id_may_be_used_again() -> None:
    requests = Requests()
    requests.asked("there", request())
    requests.abandoned("there")
    requests.asked("there", request())
    assert requests.answered("there", response())


def test_only_so_many_are_remembered_as_given_up() -> None:
    requests = Requests(most_each=2)
    for number in "123":
        requests.asked("there", request(number))
        requests.abandoned("there")
    assert [requests.answered("there", response(number)) for number in "123"] == [True, False, False]
