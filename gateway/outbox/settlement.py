"""Settlement: when a kept stanza that was written to a stream counts as delivered.

    means      what proves it                                                               doubt
    MANAGED    the other side's h covers it (XEP-0198 §4)                                   none
    PINGED     an answer, even an error, to a ping that was written behind it (XEP-0199):   what was written behind
               the other side has read everything before it; then GRACE_SECONDS, since      the last ping that was
               some servers answer a moment before they have stored what they read          answered
    TIMED      it was written `silence_seconds` ago, and the connection still stands        all of it

    state      written    ping written       answer           GRACE over   unanswered too long      broke
    IDLE       WRITTEN    -                  -                -            -                        IDLE
    WRITTEN    WRITTEN    ASKED              -                -            -                        IDLE
    ASKED      ASKED      -                  ANSWERED         -            WRITTEN, from then TIMED IDLE
    ANSWERED   ANSWERED   -                  -                as below     -                        IDLE

With GRACE over, what stood before the ping is settled; the state is WRITTEN when there is more, else IDLE. One ping is
open at a time, so the cost is one for each round trip and three seconds, however much is sent. A peer that does not
answer a ping for `silence_seconds`, on an open stream, is not asked again on that stream.

Nothing here knows a clock or a socket: times come in as arguments, and what to do comes out as values.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import Enum, auto

GRACE_SECONDS = 3.0
_GATHER_SECONDS = 1.0  # what is written within it is one batch to the clock, so that a busy stream costs no more


class SettlementMeans(Enum):
    """What proves that a stanza was taken over."""

    MANAGED = auto()
    PINGED = auto()
    TIMED = auto()


class SettlementState(Enum):
    """Where the proof of a stream's latest stanzas stands, by pings."""

    IDLE = auto()  # nothing is unsettled
    WRITTEN = auto()  # something is, and no ping is open
    ASKED = auto()
    ANSWERED = auto()


@dataclass(frozen=True, kw_only=True)
class Settled:
    """Everything up to this number may be forgotten; `in_doubt`: nothing but time speaks for it."""

    upto: int
    in_doubt: bool = False


@dataclass(kw_only=True)
class _Batch:
    upto: int
    count: int
    begun: float
    written: float  # the last of it


class Settlement:
    """The proof of what was written of one pair to one stream."""

    def __init__(self, means: SettlementMeans, silence_seconds: float) -> None:
        self.means = means
        self.state = SettlementState.IDLE
        self.in_flight = 0  # written and not settled
        self._silence = silence_seconds
        self._batches: deque[_Batch] = deque()  # unsettled, oldest first
        self._asked_upto = 0
        self._since = 0.0  # when the ping was written, or answered

    @property
    def wants_ping(self) -> bool:
        """Return whether a ping is to be written behind what was written: none is open, and something is unsettled."""
        return self.means is SettlementMeans.PINGED and self.state is SettlementState.WRITTEN

    def written(self, upto: int, count: int, now: float) -> None:
        """Note that `count` stanzas were written, the last of them with this number."""
        self.in_flight += count
        last = self._batches[-1] if self._batches else None
        if last is not None and now - last.begun < _GATHER_SECONDS and last.upto != self._asked_upto:
            last.upto, last.count, last.written = upto, last.count + count, now
        else:
            self._batches.append(_Batch(upto=upto, count=count, begun=now, written=now))
        if self.state is SettlementState.IDLE:
            self.state = SettlementState.WRITTEN

    def asked(self, now: float) -> None:
        """Note that a ping stands behind everything that was written."""
        self.state = SettlementState.ASKED
        self._asked_upto = self._batches[-1].upto
        self._since = now

    def answered(self, now: float) -> None:
        """Note that the open ping was answered; an answer that nobody waits for says nothing."""
        if self.state is SettlementState.ASKED:
            self.state = SettlementState.ANSWERED
            self._since = now

    def acknowledged(self, upto: int) -> Settled | None:
        """Note what an h covers."""
        return self._settle(upto, in_doubt=False)

    @property
    def due(self) -> float | None:
        """Return when `passed` has to be called next; None: not before something happens."""
        match self.means, self.state:
            case (SettlementMeans.MANAGED, _) | (_, SettlementState.IDLE):
                return None
            case _, SettlementState.ANSWERED:
                return self._since + GRACE_SECONDS
            case _, SettlementState.ASKED:
                return self._since + self._silence
            case SettlementMeans.TIMED, _:
                return self._batches[0].written + self._silence
        return None

    def passed(self, now: float) -> Settled | None:
        """Return what time has settled by now, if anything."""
        due = self.due
        if due is None or now < due:
            return None
        if self.state is SettlementState.ANSWERED:
            return self._settle(self._asked_upto, in_doubt=False)
        if self.state is SettlementState.ASKED:
            self.means = SettlementMeans.TIMED
            self.state = SettlementState.WRITTEN
        old = [batch.upto for batch in self._batches if batch.written + self._silence <= now]
        return self._settle(old[-1], in_doubt=True) if old else None

    def broke(self) -> int:
        """Note that the stream is gone; return how many stanzas are unsettled, and may arrive twice."""
        count, self.in_flight = self.in_flight, 0
        self._batches.clear()
        self.state = SettlementState.IDLE
        return count

    def _settle(self, upto: int, *, in_doubt: bool) -> Settled | None:
        """Forget the batches up to a number; one that an h ends inside is counted until all of it is settled."""
        if not self._batches:
            return None
        while self._batches and self._batches[0].upto <= upto:
            self.in_flight -= self._batches.popleft().count
        self.state = SettlementState.WRITTEN if self._batches else SettlementState.IDLE
        return Settled(upto=upto, in_doubt=in_doubt)
