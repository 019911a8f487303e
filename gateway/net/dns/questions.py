"""Questions to the DNS: each asked once, its answer kept for a while, everything within bounds.

A question that is under way is not asked again: everybody who asks it waits for the same answer. Each asker waits only
as long as it likes; the question itself continues without it, and its answer is kept. A question for which nobody waits
when its turn comes is not asked at all, so that names without answers do not hold up those behind them. Answers are
kept for their time to live within a floor and a ceiling, absences and failures (RFC 2308 §5, §7) for a fixed short
time. There are limits on answers kept, questions under way, questions at the nameservers at once, and records taken
from an answer.

Anybody can make us ask, by claiming a name whose key has to be verified, and some nameservers never answer. So our own
questions go first; strangers' questions leave a quarter of the places free, and those about one domain with its
subdomains take no more than an eighth.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.names import dns
from twisted.python.failure import Failure

from gateway.bounds.tables import Bounded, family
from gateway.net.dns.answers import (
    CAA,
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
from gateway.stream.records import replace
from gateway.timing.reactor import IReactor

LONGEST_NAME = 253
RECORD_TYPES: dict[RecordType, int] = {
    "SRV": dns.SRV,
    "A": dns.A,
    "AAAA": dns.AAAA,
    "TLSA": TLSA,
    "NS": dns.NS,
    "TXT": dns.TXT,
    "CAA": CAA,
}


@dataclass(frozen=True, kw_only=True)
class ResolverBounds:
    """The limits of the resolver; times in seconds."""

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

    def __init__(self, reactor: IReactor, question: DNSQuestion) -> None:
        self.answer: Deferred[DNSAnswer] = Deferred(lambda answer: self._stop())
        self._reactor = reactor
        self._question = question
        self._since = reactor.seconds()
        self._timer: IDelayedCall | None = None

    def last(self, seconds: float) -> None:
        """Wait no longer than this many seconds from now."""
        if self.answer.called:
            return
        if self._timer is None:
            self._timer = self._reactor.callLater(max(0, seconds), self._expire)
        elif self._timer.getTime() > self._reactor.seconds() + seconds:
            self._timer.reset(seconds)

    def end(self, answer: DNSAnswer | Failure) -> None:
        """Pass on the answer; do nothing if the wait is already over."""
        if not self.answer.called:
            self._stop()
            self.answer.callback(answer)  # a Failure goes to the error callback

    def _expire(self) -> None:
        waited = self._reactor.seconds() - self._since
        self.end(_unanswered(self._question, LookupOutcome.SILENT, f"no answer within {waited:.1f} s"))

    def _stop(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


class NobodyWaitsError(Exception):
    """The turn of a question came too late for all its askers."""


class DNSQuestions:
    """All DNS questions of this process."""

    def __init__(self, reactor: IReactor, nameservers: Asks, bounds: ResolverBounds) -> None:
        self._reactor = reactor
        self._nameservers = nameservers
        self._bounds = bounds
        self._memory = Memory(bounds.kept)
        self._under_way: dict[DNSQuestion, list[AnswerWait]] = {}
        self._queue = QuestionQueue(bounds.at_once)
        self._ours: set[DNSQuestion] = set()  # our own questions, under way
        self._turns: dict[DNSQuestion, Turn] = {}

    def remembered(self, questions: Sequence[DNSQuestion]) -> list[DNSAnswer] | None:
        """Return the answers to all of these questions if nobody has to be asked, else None."""
        now = self._reactor.seconds()
        answers = [self._memory.recall(question, now) for question in questions]
        return None if None in answers else cast("list[DNSAnswer]", answers)

    def ask(self, question: DNSQuestion, seconds: float, *, for_strangers: bool = False) -> AnswerWait:
        """Start to wait for the answer to a question, for this many seconds at most."""
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
        """Forget all cached answers."""
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
        """Ask for the name, then for the end of its aliases, as long as an answer only brings more aliases.

        The result is secure only if every answer on the way was.
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
        turn = self._turns[question] = self._queue.join("" if question in self._ours else family(question.name))
        try:
            await turn.begun
            if all(wait.answer.called for wait in self._under_way[question]):
                raise NobodyWaitsError
            return await self._nameservers.ask(query)
        finally:
            del self._turns[question]
            self._queue.leave(turn)

    def _hasten(self, question: DNSQuestion) -> None:
        """Promote a stranger's question, because our own side now asks it, too."""
        self._ours.add(question)
        if question in self._turns:
            self._queue.hasten(self._turns[question])

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
    """A question's turn at the nameservers; `whose` is the domain it is about, empty if the question is ours."""

    def __init__(self, whose: str) -> None:
        self.whose = whose
        self.begun: Deferred[None] = Deferred()


class QuestionQueue:
    """The places at the nameservers: our questions first, then strangers', taking turns by domain."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._free_for_strangers = max(1, places - places // 4)
        self._share = max(1, places // 8)
        self._ours: deque[Turn] = deque()
        self._theirs: dict[str, deque[Turn]] = {}  # by domain, the next turn first
        self._taken: Counter[str] = Counter()
        self._is_admitting = False

    def join(self, whose: str) -> Turn:
        """Wait for a place."""
        turn = Turn(whose)
        (self._theirs.setdefault(whose, deque()) if whose else self._ours).append(turn)
        self._admit()
        return turn

    def leave(self, turn: Turn) -> None:
        """Release the place of a question that is answered."""
        self._free += 1
        if turn.whose:
            self._free_for_strangers += 1
            self._taken[turn.whose] -= 1
            if not self._taken[turn.whose]:
                del self._taken[turn.whose]
        self._admit()

    def hasten(self, turn: Turn) -> None:
        """Turn a waiting question into one of ours."""
        if turn.whose and not turn.begun.called:
            self._theirs[turn.whose].remove(turn)
            if not self._theirs[turn.whose]:
                del self._theirs[turn.whose]
            turn.whose = ""
            self._ours.append(turn)
            self._admit()

    def _admit(self) -> None:
        """Admit questions while there are places. The loop handles one that leaves at once."""
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
        """Return the next question of a domain below its share; few domains have theirs, so this is quick."""
        whose = next((each for each in self._theirs if self._taken[each] < self._share), None)
        if whose is None:
            return None
        waiting = self._theirs.pop(whose)
        turn = waiting.popleft()
        if waiting:
            self._theirs[whose] = waiting
        return turn


class Memory:
    """Cached answers. The domain with the most of them loses its least recently used one when there are too many."""

    def __init__(self, most: int) -> None:
        self._answers: Bounded[DNSQuestion, tuple[float, DNSAnswer]] = Bounded(most)

    def keep(self, answer: DNSAnswer, until: float) -> None:
        """Remember an answer to its question until that time."""
        question = answer.question
        self._answers.put(question, (until, replace(answer, remembered=True)), family(question.name))

    def recall(self, question: DNSQuestion, now: float) -> DNSAnswer | None:
        """Return the answer that is still valid, if there is one."""
        known = self._answers.touch(question)
        if known is None:
            return None
        until, answer = known
        if until <= now:
            self._answers.pop(question)
            return None
        return answer


def _unanswered(question: DNSQuestion, outcome: LookupOutcome, detail: str, seconds: float = 0) -> DNSAnswer:
    return DNSAnswer(question=question, outcome=outcome, detail=detail, seconds=seconds)
