"""The questions about dialback keys that wait on one stream, and the answer that belongs to each (XEP-0220 §2.1.2).

An answer counts only for exactly that question, by domain pair, stream id and the stream on which it was sent
(CVE-2012-3525). Questions are bounded, and end with their stream.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred, succeed

from gateway.stream.events import PairChecked, VerificationAnswered
from gateway.xmpp.addresses import DomainPair

QuestionKey = tuple[DomainPair, str]


class KeyQuestions:
    """The questions that wait on one stream."""

    __slots__ = ("_most", "_open")

    def __init__(self, most: int = 100) -> None:
        self._most = most
        self._open: dict[QuestionKey, list[Deferred[PairChecked]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    def put(self, pair: DomainPair, stream_id: str) -> Deferred[PairChecked]:
        """Record a question that was sent; return a Deferred of its answer, which gives its place back if cancelled."""
        if len(self) >= self._most:
            return succeed(unanswered(pair, "resource-constraint", "too many keys are being verified"))
        question = (pair, stream_id)
        wait: Deferred[PairChecked] = Deferred(lambda wait: self._given_up(question, wait))
        self._open.setdefault(question, []).append(wait)
        return wait

    def _given_up(self, question: QuestionKey, wait: Deferred[PairChecked]) -> None:
        others = [each for each in self._open.pop(question, ()) if each is not wait]
        if others:
            self._open[question] = others

    def answered(self, answer: VerificationAnswered) -> None:
        """Take an answer from the other side; ignore it if nobody asked."""
        for wait in self._open.pop((answer.pair, answer.stream_id), ()):
            if answer.valid is None:
                wait.callback(unanswered(answer.pair, "remote-server-not-found", answer.text))
            else:
                wait.callback(PairChecked(pair=answer.pair, valid=answer.valid))

    def lost(self, reason: str) -> None:
        """End all questions, because the stream is gone."""
        waiting, self._open = self._open, {}
        for (pair, _), waits in waiting.items():
            for wait in waits:
                wait.callback(unanswered(pair, "remote-server-timeout", reason))


def unanswered(pair: DomainPair, condition: str, text: str) -> PairChecked:
    """Return the outcome of a verification that could not be made: an error, neither valid nor invalid (§2.5)."""
    return PairChecked(pair=pair, valid=None, condition=condition, text=text)
