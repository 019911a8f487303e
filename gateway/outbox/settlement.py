"""Settlement: when a kept stanza that was written to a stream counts as delivered.

    means      what proves it                                                               doubt
    MANAGED    the other side's h covers it (XEP-0198 §4)                                   none
    PINGED     an answer, even an error, to a ping that was written behind it (XEP-0199):   what was written behind
               the other side has read everything before it; then GRACE_SECONDS, since      the last ping that was
               some servers answer a moment before they have stored what they read          answered
               (a proof of final acceptance settles it at once, and is awaited without a limit)
    TIMED      it was written `silence_seconds` ago, and the connection is still up         all of it

    state      written    ping written    answer                             unanswered too long        broke
    IDLE       WRITTEN    -               -                                  -                          IDLE
    WRITTEN    WRITTEN    ASKED           -                                  -                          IDLE
    ASKED      ASKED      -               WRITTEN with more, else IDLE       WRITTEN, from then TIMED   IDLE

An answer begins the grace of everything before its ping, and with the grace over that is settled. One ping is open at
a time. While something has its grace, the next ping is not written before the sender wants more to go: so the cost is
one for each round trip and three seconds, or one for each window. A peer that does not answer a ping for
`silence_seconds`, on an open stream, is not asked again on that stream.

Nothing here knows a clock or a socket: times come in as arguments, and what to do comes out as values.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice
from typing import NamedTuple

GRACE_SECONDS = 3.0
_GATHER_SECONDS = 1.0  # writes within this time are one batch, so that a busy stream costs no more


class SettlementMeans(Enum):
    """The proof that a stanza was taken over."""

    MANAGED = auto()
    PINGED = auto()
    TIMED = auto()


class Proof(Enum):
    """What an answer proves about everything that was written before the question."""

    READ = auto()  # it was read
    TAKEN_OVER = auto()  # somebody else is responsible for it now, and will send it again if need be


class SettlementState(Enum):
    """Whether pings show that the other side has read a stream's latest stanzas."""

    IDLE = auto()  # it has
    WRITTEN = auto()  # not known, and no ping is open
    ASKED = auto()


class Settled(NamedTuple):
    """Everything up to this number may be forgotten; `in_doubt`: only time supports this."""

    upto: int
    in_doubt: bool = False


@dataclass(slots=True)
class _SettledBatch:
    upto: int
    count: int
    begun: float
    written: float  # the last of it


class Settlement:
    """The proof of delivery for the stanzas of one pair on one stream."""

    def __init__(self, means: SettlementMeans, silence_seconds: float) -> None:
        self.means = means
        self.state = SettlementState.IDLE
        self.in_flight = 0  # written and not settled
        self.read_upto = 0  # the other side has read everything up to this number
        self._silence = silence_seconds
        self._batches: deque[_SettledBatch] = deque()  # unsettled, oldest first
        self._asked_upto = 0
        self._asked_at = 0.0
        self._awaits = Proof.READ
        self._graces: deque[tuple[int, float]] = deque()  # each read up to a number, and since when

    def wants_ping(self, *, pressed: bool) -> bool:
        """Return whether to write a ping behind what was written; `pressed`: more is waiting to be sent."""
        is_due = self.means is SettlementMeans.PINGED and self.state is SettlementState.WRITTEN
        return is_due and (pressed or not self._graces)

    def written(self, upto: int, count: int, now: float) -> None:
        """Record that `count` stanzas were written, the last of them with this number."""
        self.in_flight += count
        last = self._batches[-1] if self._batches else None
        if last is not None and now - last.begun < _GATHER_SECONDS and last.upto != self._asked_upto:
            last.upto, last.count, last.written = upto, last.count + count, now
        else:
            self._batches.append(_SettledBatch(upto, count, now, now))
        if self.state is SettlementState.IDLE:
            self.state = SettlementState.WRITTEN

    def asked(self, now: float, awaits: Proof = Proof.READ) -> None:
        """Record that a ping was written behind everything else, and what its answer will prove."""
        self.state = SettlementState.ASKED
        self._awaits = awaits
        self._asked_upto = self._batches[-1].upto
        self._asked_at = now

    def answered(self, now: float, proof: Proof = Proof.READ) -> Settled | None:
        """Record the answer to the open ping, and return what it settles; without an open ping it means nothing."""
        if self.state is not SettlementState.ASKED:
            return None
        if proof is Proof.TAKEN_OVER and not self._graces:
            return self._settle(self._asked_upto, in_doubt=False)
        self.read_upto = self._asked_upto
        self._graces.append((self._asked_upto, now))
        self.state = self._of_rest()
        return None

    def acknowledged(self, upto: int) -> Settled | None:
        """Record what an h covers."""
        return self._settle(upto, in_doubt=False)

    @property
    def due(self) -> float | None:
        """Return when `passed` must be called next; None: not before something happens."""
        if self.means is SettlementMeans.MANAGED or not self._batches:
            return None
        moments = [since + GRACE_SECONDS for _, since in islice(self._graces, 1)]
        if self.state is SettlementState.ASKED:
            if self._awaits is Proof.READ:  # who takes stanzas over always answers: nothing else shows that they have
                moments.append(self._asked_at + self._silence)
        elif self.means is SettlementMeans.TIMED:
            moments.append(self._batches[0].written + self._silence)
        return min(moments, default=None)

    def passed(self, now: float) -> Settled | None:
        """Return what time has settled by now, if anything."""
        due = self.due
        if due is None or now < due:
            return None
        upto = 0
        while self._graces and self._graces[0][1] + GRACE_SECONDS <= now:
            upto = self._graces.popleft()[0]
        if upto:
            return self._settle(upto, in_doubt=False)
        if self.state is SettlementState.ASKED:
            self.means = SettlementMeans.TIMED
            self.state = SettlementState.WRITTEN
        old = [batch.upto for batch in self._batches if batch.written + self._silence <= now]
        return self._settle(old[-1], in_doubt=True) if old else None

    def broke(self) -> int:
        """Record that the stream is gone; return how many stanzas are unsettled, and may arrive twice."""
        count, self.in_flight = self.in_flight, 0
        self._batches.clear()
        self._graces.clear()
        self.state = SettlementState.IDLE
        return count

    def _settle(self, upto: int, *, in_doubt: bool) -> Settled | None:
        """Forget the batches up to a number; one that an h ends inside is counted until all of it is settled."""
        if not self._batches:
            return None
        while self._batches and self._batches[0].upto <= upto:
            self.in_flight -= self._batches.popleft().count
        self.read_upto = max(upto, self.read_upto)
        if self.state is not SettlementState.ASKED or self._asked_upto <= upto:
            self.state = self._of_rest()
        return Settled(upto=upto, in_doubt=in_doubt)

    def _of_rest(self) -> SettlementState:
        is_read = not self._batches or self._batches[-1].upto <= self.read_upto
        return SettlementState.IDLE if is_read else SettlementState.WRITTEN
