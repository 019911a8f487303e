"""Questions to the DNS: each asked once, its answer kept for a while, everything within bounds.

A question that is already on its way is not asked again: whoever asks it waits for the same answer. Each waits only as
long as it likes; a question that was put goes on without them, and its answer is kept. One for which nobody waits any
more when its turn comes is not put at all: names that nobody answers for must not hold up those that follow. Answers
are kept for their time to live within a floor and a ceiling, absences and failures (RFC 2308 §5, §7) for a fixed short
time. The number of answers kept, of questions under way, of questions at the nameservers at once and of records taken
from an answer is bounded.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.names import dns
from twisted.python.failure import Failure

from gateway.net.dns.answers import (
    AliasTrouble,
    Answer,
    Kind,
    Outcome,
    Question,
    follow_aliases,
    in_words,
    read_records,
)
from gateway.net.dns.nameservers import Asks, NoAnswer

LONGEST_NAME = 253
RECORD_TYPES: dict[Kind, int] = {"SRV": dns.SRV, "A": dns.A, "AAAA": dns.AAAA}


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much is asked, taken and kept; times in seconds."""

    floor: float = 10
    ceiling: float = 3600
    absence: float = 30
    failure: float = 5
    kept: int = 4096
    under_way: int = 8192
    at_once: int = 64
    aliases: int = 8
    records: int = 64


class Wait:
    """One asker's wait for an answer: `answer` fires with it, or with a SILENT one when the time is over."""

    def __init__(self, reactor: Any, question: Question) -> None:
        self.answer: Deferred[Answer] = Deferred(lambda answer: self._stop())
        self._reactor = reactor
        self._question = question
        self._since = reactor.seconds()
        self._timer: Any = None

    def last(self, seconds: float) -> None:
        """Wait no longer than so many seconds from now."""
        if self.answer.called:
            return
        if self._timer is None:
            self._timer = self._reactor.callLater(max(0, seconds), self._expire)
        elif self._timer.getTime() > self._reactor.seconds() + seconds:
            self._timer.reset(seconds)

    def end(self, answer: Answer | Failure) -> None:
        """The answer is there; nothing happens when the wait is over already."""
        if not self.answer.called:
            self._stop()
            self.answer.callback(answer)  # type: ignore[arg-type]  # a Failure takes the error path

    def _expire(self) -> None:
        waited = self._reactor.seconds() - self._since
        self.end(_unanswered(self._question, Outcome.SILENT, f"no answer within {waited:.1f} s"))

    def _stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


class NobodyWaitsError(Exception):
    """A question's turn came too late for everybody who had it."""


class Questions:
    """All the questions that this process has for the DNS."""

    def __init__(self, reactor: Any, nameservers: Asks, bounds: Bounds) -> None:
        self._reactor = reactor
        self._nameservers = nameservers
        self._bounds = bounds
        self._memory = Memory(bounds.kept)
        self._under_way: dict[Question, list[Wait]] = {}
        self._at_once = DeferredSemaphore(bounds.at_once)

    def remembered(self, questions: Sequence[Question]) -> list[Answer] | None:
        """The answers to all of these questions, where nobody has to be asked."""
        now = self._reactor.seconds()
        answers = [self._memory.recall(question, now) for question in questions]
        return None if None in answers else cast("list[Answer]", answers)

    def ask(self, question: Question, seconds: float) -> Wait:
        """Begin to wait for the answer to a question, for so many seconds at most."""
        wait = Wait(self._reactor, question)
        known = self._memory.recall(question, self._reactor.seconds())
        if known is not None:
            wait.end(known)
        elif question in self._under_way:
            self._under_way[question].append(wait)
        elif len(self._under_way) >= self._bounds.under_way:
            wait.end(_unanswered(question, Outcome.FAILED, "not asked, too many questions are waiting"))
        else:
            self._under_way[question] = [wait]
            Deferred.fromCoroutine(self._find(question)).addBoth(self._found, question)
        wait.last(seconds)
        return wait

    def forget(self) -> None:
        """Keep nothing of what was answered so far."""
        self._memory = Memory(self._bounds.kept)

    def _found(self, result: Answer | Failure, question: Question) -> None:
        if isinstance(result, Answer):
            self._memory.keep(result, self._reactor.seconds() + result.seconds)
        for wait in self._under_way.pop(question):
            wait.end(result)

    async def _find(self, question: Question) -> Answer:
        if len(question.name) > LONGEST_NAME:
            return self._absent(question, Outcome.NONE, "none, as no name can be that long")
        try:
            return await self._follow(question)
        except NoAnswer as reason:
            outcome = Outcome.SILENT if reason.silent else Outcome.FAILED
            return _unanswered(question, outcome, reason.sentence, self._bounds.failure)
        except AliasTrouble as trouble:
            return self._absent(question, Outcome.FAILED, str(trouble))
        except NobodyWaitsError:
            return _unanswered(question, Outcome.SILENT, "not asked in time")

    async def _follow(self, question: Question) -> Answer:
        """Ask for the name, then for where its aliases lead, as long as an answer only brings more aliases."""
        names, record_type = [question.name], RECORD_TYPES[question.kind]
        while True:
            asked = names[-1]
            message = await self._at_once.run(self._put, question, dns.Query(asked, record_type, dns.IN))
            records = follow_aliases(message.answers, names, record_type, self._bounds.aliases)
            way = "".join(f"alias of {name}, " for name in names[1:])
            if records:
                return self._present(question, way, records)
            if message.rCode == dns.ENAME:
                return self._absent(question, Outcome.NO_NAME, way + "no such name")
            if names[-1] == asked:
                return self._absent(question, Outcome.NONE, way + "none")

    def _put(self, question: Question, query: dns.Query) -> Deferred[dns.Message]:
        if all(wait.answer.called for wait in self._under_way[question]):
            raise NobodyWaitsError
        return Deferred.fromCoroutine(self._nameservers.ask(query))

    def _present(self, question: Question, way: str, records: list[dns.RRHeader]) -> Answer:
        values = read_records(question.kind, records[: self._bounds.records])
        seconds = max(self._bounds.floor, min(self._bounds.ceiling, *(record.ttl for record in records)))
        return Answer(
            question=question,
            outcome=Outcome.FOUND if values else Outcome.NONE,
            detail=way + in_words(question.kind, values),
            values=values,
            seconds=seconds,
        )

    def _absent(self, question: Question, outcome: Outcome, detail: str) -> Answer:
        return _unanswered(question, outcome, detail, self._bounds.absence)


class Memory:
    """Answers until they are too old; the one that was least recently asked for makes room."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._answers: OrderedDict[Question, tuple[float, Answer]] = OrderedDict()

    def keep(self, answer: Answer, until: float) -> None:
        """Remember an answer for its question until that time."""
        self._answers[answer.question] = until, replace(answer, remembered=True)
        self._answers.move_to_end(answer.question)
        while len(self._answers) > self._most:
            self._answers.popitem(last=False)

    def recall(self, question: Question, now: float) -> Answer | None:
        """The answer that is still good, if there is one."""
        until, answer = self._answers.get(question, (now, None))
        if answer is None:
            return None
        if until <= now:
            del self._answers[question]
            return None
        self._answers.move_to_end(question)
        return answer


def _unanswered(question: Question, outcome: Outcome, detail: str, seconds: float = 0) -> Answer:
    return Answer(question=question, outcome=outcome, detail=detail, seconds=seconds)
