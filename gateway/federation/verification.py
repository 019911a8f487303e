"""Verification: asking the authoritative server about a dialback key (receiving server, step 2; XEP-0220 §2.1.2).

A question goes over a stream to the sender domain: one that stands already, or one opened for it. An answer counts
only for the very question, by domain pair, stream id and the stream that it was put on (CVE-2012-3525). Questions are
bounded, and end with their stream.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from gateway.stream.events import PairChecked, VerificationAnswered
from gateway.xmpp.addresses import DomainPair

Key = tuple[DomainPair, str]


class Questions:
    """The questions that wait on one stream."""

    def __init__(self, most: int = 100) -> None:
        self._most = most
        self._open: dict[Key, list[Deferred[PairChecked]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._open.values()))

    def put(self, pair: DomainPair, stream_id: str) -> Deferred[PairChecked]:
        """A question has been sent; its answer comes as the Deferred's result."""
        wait: Deferred[PairChecked] = Deferred()
        if len(self) >= self._most:
            wait.callback(unanswered(pair, "resource-constraint", "too many keys are being verified"))
        else:
            self._open.setdefault((pair, stream_id), []).append(wait)
        return wait

    def answered(self, answer: VerificationAnswered) -> None:
        """The other side answered; what nobody asked is ignored."""
        for wait in self._open.pop((answer.pair, answer.stream_id), ()):
            if answer.valid is None:
                wait.callback(unanswered(answer.pair, "remote-server-not-found", answer.text))
            else:
                wait.callback(PairChecked(pair=answer.pair, valid=answer.valid))

    def lost(self, reason: str) -> None:
        """The stream is gone: no answer will come."""
        waiting, self._open = self._open, {}
        for (pair, _), waits in waiting.items():
            for wait in waits:
                wait.callback(unanswered(pair, "remote-server-timeout", reason))


def unanswered(pair: DomainPair, condition: str, text: str) -> PairChecked:
    """The outcome of a verification that could not be carried out: an error, which is neither valid nor invalid."""
    return PairChecked(pair=pair, valid=None, condition=condition, text=text)
