"""Questions to the DNS: each asked once, its answer kept for a while, everything within bounds.

A question that is already on its way is not asked again: whoever asks it waits for the same answer. Each waits only as
long as it likes; a question that was put goes on without them, and its answer is kept. One for which nobody waits any
more when its turn comes is not put at all: names that nobody answers for must not hold up those that follow. Answers
are kept for their time to live within a floor and a ceiling, absences and failures (RFC 2308 §5, §7) for a fixed short
time. The number of answers kept, of questions under way, of questions at the nameservers at once and of records taken
from an answer is bounded.

Anybody can have us ask, by claiming a name whose key has to be verified, and some nameservers never answer. So our own
questions go first; strangers' leave a quarter of the places free, and those about one domain and all below it take no
more than an eighth.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.names import dns
from twisted.python.failure import Failure

from gateway.bounds.tables import Bounded, family
from gateway.net.dns.answers import (
    TLSA,
    AliasTrouble,
    DNSAnswer,
    DNSQuestion,
    LookupOutcome,
    RecordType,
    Security,
    follow_aliases,
    in_words,
    read_records,
)
from gateway.net.dns.nameservers import Asks, NameserverSilent

LONGEST_NAME = 253
RECORD_TYPES: dict[RecordType, int] = {"SRV": dns.SRV, "A": dns.A, "AAAA": dns.AAAA, "TLSA": TLSA, "NS": dns.NS}


@dataclass(frozen=True, kw_only=True)
class ResolverBounds:
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


class AnswerWait:
    """One asker's wait for an answer: `answer` fires with it, or with a SILENT one when the time is over."""

    def __init__(self, reactor: Any, question: DNSQuestion) -> None:
        self.answer: Deferred[DNSAnswer] = Deferred(lambda answer: self._stop())
        self._reactor = reactor
        self._question = question
        self._since = reactor.seconds()
        self._timer: Any = None

    def last(self, seconds: float) -> None:
        """Wait no longer than this many seconds from now."""
        if self.answer.called:
            return
        if self._timer is None:
            self._timer = self._reactor.callLater(max(0, seconds), self._expire)
        elif self._timer.getTime() > self._reactor.seconds() + seconds:
            self._timer.reset(seconds)

    def end(self, answer: DNSAnswer | Failure) -> None:
        """The answer is there; nothing happens when the wait is over already."""
        if not self.answer.called:
            self._stop()
            self.answer.callback(answer)  # a Failure takes the error path

    def _expire(self) -> None:
        waited = self._reactor.seconds() - self._since
        self.end(_unanswered(self._question, LookupOutcome.SILENT, f"no answer within {waited:.1f} s"))

    def _stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


class NobodyWaitsError(Exception):
    """A question's turn came too late for everybody who had it."""


class DNSQuestions:
    """All the questions that this process has for the DNS."""

    def __init__(self, reactor: Any, nameservers: Asks, bounds: ResolverBounds) -> None:
        self._reactor = reactor
        self._nameservers = nameservers
        self._bounds = bounds
        self._memory = Memory(bounds.kept)
        self._under_way: dict[DNSQuestion, list[AnswerWait]] = {}
        self._lanes = Lanes(bounds.at_once)
        self._ours: set[DNSQuestion] = set()  # of those under way
        self._turns: dict[DNSQuestion, Turn] = {}

    def remembered(self, questions: Sequence[DNSQuestion]) -> list[DNSAnswer] | None:
        """The answers to all of these questions, where nobody has to be asked."""
        now = self._reactor.seconds()
        answers = [self._memory.recall(question, now) for question in questions]
        return None if None in answers else cast("list[DNSAnswer]", answers)

    def ask(self, question: DNSQuestion, seconds: float, *, for_strangers: bool = False) -> AnswerWait:
        """Begin to wait for the answer to a question, for this many seconds at most."""
        wait = AnswerWait(self._reactor, question)
        under_way = self._bounds.under_way
        known = self._memory.recall(question, self._reactor.seconds())
        if known is not None:
            wait.end(known)
        elif question in self._under_way:
            self._under_way[question].append(wait)
            if not for_strangers:
                self._hasten(question)
        elif len(self._under_way) >= under_way - for_strangers * (under_way // 4):
            wait.end(_unanswered(question, LookupOutcome.FAILED, "not asked, too many questions are waiting"))
        else:
            self._under_way[question] = [wait]
            if not for_strangers:
                self._ours.add(question)
            Deferred.fromCoroutine(self._find(question)).addBoth(self._found, question)
        wait.last(seconds)
        return wait

    def forget(self) -> None:
        """Keep nothing of what was answered so far."""
        self._memory = Memory(self._bounds.kept)

    def _found(self, result: DNSAnswer | Failure, question: DNSQuestion) -> None:
        if isinstance(result, DNSAnswer):
            self._memory.keep(result, self._reactor.seconds() + result.seconds)
        self._ours.discard(question)
        for wait in self._under_way.pop(question):
            wait.end(result)

    async def _find(self, question: DNSQuestion) -> DNSAnswer:
        if len(question.name) > LONGEST_NAME:
            return self._absent(question, LookupOutcome.NONE, "none, as no name can be that long")
        try:
            return await self._follow(question)
        except NameserverSilent as reason:
            outcome = LookupOutcome.SILENT if reason.silent else LookupOutcome.FAILED
            answer = _unanswered(question, outcome, reason.sentence, self._bounds.failure)
            return replace(answer, security=Security.BOGUS) if reason.bogus else answer
        except AliasTrouble as trouble:
            return self._absent(question, LookupOutcome.FAILED, str(trouble))
        except NobodyWaitsError:
            return _unanswered(question, LookupOutcome.SILENT, "not asked in time")

    async def _follow(self, question: DNSQuestion) -> DNSAnswer:
        """Ask for the name, then for where its aliases lead, as long as an answer only brings more aliases.

        What is found is secure only when every answer on the way was.
        """
        names, record_type = [question.name], RECORD_TYPES[question.kind]
        security = Security.SECURE
        while True:
            asked = names[-1]
            message = await self._in_turn(question, dns.Query(asked, record_type, dns.IN))
            if not message.authenticData:
                security = Security.INSECURE
            records = follow_aliases(message.answers, names, record_type, self._bounds.aliases)
            way = "".join(f"alias of {name}, " for name in names[1:])
            if records:
                found = self._present(question, way, records)
                return replace(found, security=security, canonical=names[-1])
            if message.rCode == dns.ENAME:
                return replace(self._absent(question, LookupOutcome.NO_NAME, way + "no such name"), security=security)
            if names[-1] == asked:
                return replace(self._absent(question, LookupOutcome.NONE, way + "none"), security=security)

    async def _in_turn(self, question: DNSQuestion, query: dns.Query) -> dns.Message:
        turn = self._turns[question] = self._lanes.join("" if question in self._ours else family(question.name))
        try:
            await turn.begun
            if all(wait.answer.called for wait in self._under_way[question]):
                raise NobodyWaitsError
            return await self._nameservers.ask(query)
        finally:
            del self._turns[question]
            self._lanes.leave(turn)

    def _hasten(self, question: DNSQuestion) -> None:
        """Somebody of ours wants to know as well what a stranger has asked."""
        self._ours.add(question)
        if question in self._turns:
            self._lanes.hasten(self._turns[question])

    def _present(self, question: DNSQuestion, way: str, records: list[dns.RRHeader]) -> DNSAnswer:
        values = read_records(question.kind, records[: self._bounds.records])
        seconds = max(self._bounds.floor, min(self._bounds.ceiling, *(record.ttl for record in records)))
        return DNSAnswer(
            question=question,
            outcome=LookupOutcome.FOUND if values else LookupOutcome.NONE,
            detail=way + in_words(question.kind, values),
            values=values,
            seconds=seconds,
        )

    def _absent(self, question: DNSQuestion, outcome: LookupOutcome, detail: str) -> DNSAnswer:
        return _unanswered(question, outcome, detail, self._bounds.absence)


class Turn:
    """A question's turn at the nameservers; `whose` is the domain it is about, empty where it is ours."""

    def __init__(self, whose: str) -> None:
        self.whose = whose
        self.begun: Deferred[None] = Deferred()


class Lanes:
    """The places at the nameservers: ours first, then those of strangers, the domains by turns."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._free_for_strangers = max(1, places - places // 4)
        self._share = max(1, places // 8)
        self._ours: deque[Turn] = deque()
        self._theirs: dict[str, deque[Turn]] = {}  # by domain, whose turn it is first
        self._taken: Counter[str] = Counter()
        self._is_admitting = False

    def join(self, whose: str) -> Turn:
        """Wait for a place."""
        turn = Turn(whose)
        (self._theirs.setdefault(whose, deque()) if whose else self._ours).append(turn)
        self._admit()
        return turn

    def leave(self, turn: Turn) -> None:
        """A question that had a place is answered."""
        self._free += 1
        if turn.whose:
            self._free_for_strangers += 1
            self._taken[turn.whose] -= 1
            if not self._taken[turn.whose]:
                del self._taken[turn.whose]
        self._admit()

    def hasten(self, turn: Turn) -> None:
        """A question that still waits is one of ours now."""
        if turn.whose and not turn.begun.called:
            self._theirs[turn.whose].remove(turn)
            if not self._theirs[turn.whose]:
                del self._theirs[turn.whose]
            turn.whose = ""
            self._ours.append(turn)
            self._admit()

    def _admit(self) -> None:
        """Let those in for whom there is a place. One that leaves at once is seen to by the loop."""
        if self._is_admitting:
            return
        self._is_admitting = True
        try:
            while (turn := self._next()) is not None:
                self._free -= 1
                turn.begun.callback(None)
        finally:
            self._is_admitting = False

    def _next(self) -> Turn | None:
        if not self._free:
            return None
        if self._ours:
            return self._ours.popleft()
        turn = self._next_stranger() if self._free_for_strangers else None
        if turn is not None:
            self._free_for_strangers -= 1
            self._taken[turn.whose] += 1
        return turn

    def _next_stranger(self) -> Turn | None:
        """The next of a domain that has not got its share; few have it, so this does not take long."""
        whose = next((each for each in self._theirs if self._taken[each] < self._share), None)
        if whose is None:
            return None
        waiting = self._theirs.pop(whose)
        turn = waiting.popleft()
        if waiting:
            self._theirs[whose] = waiting
        return turn


class Memory:
    """Answers until they are too old. Of the domain with most of them, the one least recently asked for makes room."""

    def __init__(self, most: int) -> None:
        self._answers: Bounded[DNSQuestion, tuple[float, DNSAnswer]] = Bounded(most)

    def keep(self, answer: DNSAnswer, until: float) -> None:
        """Remember an answer for its question until that time."""
        question = answer.question
        self._answers.put(question, (until, replace(answer, remembered=True)), family(question.name))

    def recall(self, question: DNSQuestion, now: float) -> DNSAnswer | None:
        """The answer that is still good, if there is one."""
        known = self._answers.get(question)
        if known is None:
            return None
        until, answer = known
        if until <= now:
            self._answers.pop(question)
            return None
        self._answers.touch(question)
        return answer


def _unanswered(question: DNSQuestion, outcome: LookupOutcome, detail: str, seconds: float = 0) -> DNSAnswer:
    return DNSAnswer(question=question, outcome=outcome, detail=detail, seconds=seconds)
