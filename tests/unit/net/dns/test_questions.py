"""Questions to the DNS: shared, remembered, bounded."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from gateway.net.dns.answers import DNSAnswer, DNSQuestion, LookupOutcome
from gateway.net.dns.questions import AnswerWait, DNSQuestions, ResolverBounds
from tests.support.dns import Table

BOUNDS = ResolverBounds(
    floor=10, ceiling=100, absence=30, failure=5, kept=3, under_way=4, at_once=2, aliases=3, records=5
)
ADDRESS = {"A": ["192.0.2.1"]}


class Asking:
    """Questions to a table, with a clock."""

    def __init__(self, records: dict[str, Any], bounds: ResolverBounds = BOUNDS) -> None:
        self.clock = Clock()
        self.table = Table(records)
        self.questions = DNSQuestions(self.clock, self.table, bounds)

    def wait(self, name: str, seconds: float = 10) -> AnswerWait:
        return self.questions.ask(DNSQuestion(kind="A", name=name), seconds)

    def answer(self, name: str) -> DNSAnswer:
        return result(self.wait(name))

    def times_asked(self, name: str = "a.test") -> int:
        return self.table.asked.count(f"A {name}")


def result(wait: AnswerWait) -> Any:
    """Return the result of the wait by now: an answer, a Failure, or None."""
    results: list[Any] = []

    def see(result: Any) -> Any:
        results.append(result)
        return None if isinstance(result, Failure) else result

    wait.answer.addBoth(see)
    return results[0] if results else None


@pytest.mark.parametrize(
    ("records", "outcome", "sentence"),
    [
        ({"a.test": ADDRESS}, LookupOutcome.FOUND, "A a.test: 192.0.2.1"),
        ({"a.test": {"AAAA": ["::1"]}}, LookupOutcome.NONE, "A a.test: none"),
        ({}, LookupOutcome.NO_NAME, "A a.test: no such name"),
        ({"a.test": "SERVFAIL"}, LookupOutcome.FAILED, "A a.test: the table could not resolve it (SERVFAIL)"),
        ({"a.test": "SILENT"}, LookupOutcome.SILENT, "A a.test: no answer from the table"),
        ({"a.test": {"A": ["0.0.0.0"]}}, LookupOutcome.NONE, "A a.test: nothing that can be used"),
        (
            {"a.test": {"CNAME": "b.test"}, "b.test": ADDRESS},
            LookupOutcome.FOUND,
            "A a.test: alias of b.test, 192.0.2.1",
        ),
        ({"a.test": {"CNAME": "b.test"}}, LookupOutcome.NO_NAME, "A a.test: alias of b.test, no such name"),
        (
            {"a.test": {"CNAME": "b.test"}, "b.test": {"TXT": ["-"]}},
            LookupOutcome.NONE,
            "A a.test: alias of b.test, none",
        ),
        ({"a.test": {"CNAME": "a.test"}}, LookupOutcome.FAILED, "A a.test: the alias a.test leads back to a.test"),
    ],
)
def test_each_end_of_a_question_has_its_outcome_and_sentence(
    records: dict[str, Any], outcome: LookupOutcome, sentence: str
) -> None:
    answer = Asking(records).answer("a.test")
    assert (answer.outcome, answer.sentence) == (outcome, sentence)


def test_same_question_at_the_same_time_is_asked_once() -> None:
    asking = Asking({"a.test": ADDRESS})
    asking.table.held = []
    waits = [asking.wait("a.test") for _ in range(3)]
    asking.table.held[0].callback(None)
    assert [result(wait).values for wait in waits] == [("192.0.2.1",)] * 3
    assert asking.times_asked() == 1


def test_an_asker_that_leaves_takes_nothing_from_the_others() -> None:
    asking = Asking({"a.test": ADDRESS})
    asking.table.held = []
    leaving, staying = asking.wait("a.test"), asking.wait("a.test")
    leaving.answer.cancel()
    asking.table.held[0].callback(None)
    assert result(leaving).check(CancelledError)
    assert result(staying).values == ("192.0.2.1",)


def test_asker_waits_no_longer_than_it_likes_and_the_answer_is_kept_all_the_same() -> None:
    asking = Asking({"a.test": ADDRESS})
    asking.table.held = []
    short, long = asking.wait("a.test", 2), asking.wait("a.test", 9)
    asking.clock.advance(2)
    assert result(short).sentence == "A a.test: no answer within 2.0 s"
    assert result(long) is None
    asking.table.held[0].callback(None)
    assert asking.answer("a.test").remembered
    assert asking.clock.getDelayedCalls() == []


def test_last_shortens_a_wait_but_never_lengthens_it() -> None:
    asking = Asking({"a.test": ADDRESS})
    asking.table.held = []
    short, long = asking.wait("a.test", 2), asking.wait("a.test", 10)
    for wait in (short, long):
        wait.last(3)
    asking.clock.advance(2)
    assert result(short).outcome is LookupOutcome.SILENT
    assert result(long) is None
    asking.clock.advance(1)
    assert result(long).outcome is LookupOutcome.SILENT
    long.last(1)  # over: nothing happens
    assert asking.clock.getDelayedCalls() == []


@pytest.mark.parametrize(
    ("ttl", "seconds"), [(0, 10), (10, 10), (50, 50), (100_000, 100)], ids=["floor", "at floor", "between", "ceiling"]
)
def test_answers_are_kept_for_their_time_to_live_within_bounds(ttl: int, seconds: float) -> None:
    asking = Asking({"a.test": {**ADDRESS, "TTL": ttl}})
    asking.answer("a.test")
    asking.clock.advance(seconds - 0.1)
    asking.answer("a.test")
    assert asking.times_asked() == 1
    asking.clock.advance(0.2)
    asking.answer("a.test")
    assert asking.times_asked() == 2


@pytest.mark.parametrize(
    ("records", "seconds"),
    [({}, 30), ({"a.test": {"AAAA": ["::1"]}}, 30), ({"a.test": "SERVFAIL"}, 5), ({"a.test": "SILENT"}, 5)],
    ids=["no name", "no record", "failure", "silence"],
)
def test_absences_and_failures_are_kept_briefly(records: dict[str, Any], seconds: float) -> None:
    asking = Asking(records)
    asking.answer("a.test")
    asking.clock.advance(seconds - 0.1)
    assert asking.answer("a.test").sentence.endswith(", known from before")
    asking.clock.advance(0.2)
    assert not asking.answer("a.test").remembered
    assert asking.times_asked() == 2


def test_change_is_seen_when_the_answer_is_too_old() -> None:
    records: dict[str, Any] = {"a.test": ADDRESS}
    asking = Asking(records)
    asking.answer("a.test")
    records["a.test"] = {"A": ["192.0.2.9"]}
    asking.clock.advance(100)
    assert asking.answer("a.test").values == ("192.0.2.9",)


def test_forget_asks_afresh() -> None:
    asking = Asking({"a.test": ADDRESS})
    asking.answer("a.test")
    asking.questions.forget()
    asking.answer("a.test")
    assert asking.times_asked() == 2


def test_memory_is_bounded_and_drops_what_was_least_recently_asked_for() -> None:
    asking = Asking({f"{name}.test": ADDRESS for name in "abcd"})
    for name in ("a", "b", "c", "a", "d"):
        asking.answer(f"{name}.test")
    asking.answer("a.test")
    assert asking.times_asked("a.test") == 1
    asking.answer("b.test")
    assert asking.times_asked("b.test") == 2


def test_only_so_many_questions_are_with_the_nameservers_at_once() -> None:
    asking = Asking({f"{name}.test": ADDRESS for name in "abc"})
    asking.table.held = []
    waits = [asking.wait(f"{name}.test") for name in "abc"]
    assert asking.table.asked == ["A a.test", "A b.test"]
    asking.table.held[0].callback(None)
    assert asking.table.asked == ["A a.test", "A b.test", "A c.test"]
    for held in asking.table.held[1:]:
        held.callback(None)
    assert [result(wait).outcome for wait in waits] == [LookupOutcome.FOUND] * 3


def test_a_question_is_not_put_when_nobody_waits_for_it_any_more() -> None:
    asking = Asking({f"{name}.test": ADDRESS for name in "abcd"})
    asking.table.held = []
    waits = [asking.wait(f"{name}.test", seconds=10) for name in "abcd"]
    waits[3].answer.addErrback(lambda failure: None)
    waits[3].answer.cancel()
    asking.clock.advance(10)
    late = asking.wait("d.test")
    for held in asking.table.held[:]:
        held.callback(None)
    assert asking.table.asked == ["A a.test", "A b.test", "A d.test"]
    asking.table.held[-1].callback(None)
    assert result(late).outcome is LookupOutcome.FOUND
    asking.table.held = None
    assert asking.answer("c.test").outcome is LookupOutcome.FOUND  # that it was not asked is not remembered


def test_questions_beyond_the_bound_are_not_asked_and_not_remembered() -> None:
    asking = Asking({f"{name}.test": ADDRESS for name in "abcde"})
    asking.table.held = []
    for name in "abcd":
        asking.wait(f"{name}.test")
    refused = result(asking.wait("e.test"))
    assert (refused.outcome, refused.detail) == (LookupOutcome.FAILED, "not asked, too many questions are waiting")
    while asking.table.held:
        asking.table.held.pop(0).callback(None)
    asking.table.held = None
    assert asking.answer("e.test").outcome is LookupOutcome.FOUND


def test_only_so_many_records_are_taken_from_an_answer() -> None:
    asking = Asking({"a.test": {"A": [f"192.0.2.{n}" for n in range(1, 100)]}})
    assert len(asking.answer("a.test").values) == 5


def test_name_that_is_too_long_with_its_service_is_not_asked_for() -> None:
    asking = Asking({})
    name = "_xmpp-server._tcp." + ".".join(["x" * 59] * 4)
    assert asking.answer(name).sentence.endswith("none, as no name can be that long")
    assert asking.table.asked == []


def test_own_mistake_reaches_every_asker_and_is_not_remembered() -> None:
    asking = Asking({"a.test": {"A": ["no address"]}})
    assert result(asking.wait("a.test")).check(OSError)
    assert result(asking.wait("a.test")).check(OSError)
    assert asking.times_asked() == 2
