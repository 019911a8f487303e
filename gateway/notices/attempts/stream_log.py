"""StreamLog: the writer of the record of one stream, step by step; each step and each end is published as a notice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.notices.attempts.proofs import Proofs
from gateway.notices.attempts.records import (
    Attempt,
    AttemptStep,
    AttemptUnderWay,
    Direction,
    FirstStanza,
    FurtherPair,
    Kind,
    StepRecord,
    StreamEnded,
    shortened,
)
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import Notice, Publish, StanzasPassed
from gateway.xmpp.addresses import DomainPair
from gateway.xmpp.stanzas import Stanza

MOST_STEPS = 20
"""The most steps kept of one attempt. Beyond that, each new step replaces the latest one."""


class StreamLog:
    """The log of one stream: it collects the steps of the attempt until there is a verdict, and lives until it ends.

    The `Attempt` is what it has written so far, as a record for readers.
    """

    def __init__(
        self,
        publish: Publish,
        seconds: Callable[[], float],
        number: int,
        direction: Direction,
        *,
        kind: Kind = Kind.SERVER,
        local: str = "",
        remote: str = "",
        address: str = "",
        doing: str = "",
        began: float | None = None,
    ) -> None:
        """`number` identifies the attempt within the process.

        `seconds` is the clock that measures it; `began` is the time of day now (default: by the same clock).
        """
        self.number = number
        self.direction = direction
        self.kind = kind
        self.local = local
        self.remote = remote
        self.address = address
        self.record: Attempt | None = None
        self._publish = publish
        self._seconds = seconds
        self._from = self._step_from = seconds()
        self.began = self._from if began is None else began
        self._steps: list[StepRecord] = []
        self._steps_left_out = 0
        self._doing = doing
        self._had_stanza = False
        if doing:
            self._tell()

    @property
    def is_open(self) -> bool:
        """Return whether there is no verdict yet."""
        return self.record is None

    @property
    def verdict(self) -> Verdict:
        """Return the verdict, `under-way` until there is one."""
        return Verdict.UNDER_WAY if self.record is None else self.record.verdict

    @property
    def last(self) -> StepRecord | None:
        """Return the last step so far."""
        return self._steps[-1] if self._steps else None

    def doing(self, what: str) -> None:
        """Record what is being waited for, for operators who ask in the meantime."""
        if self.record is None:
            self._doing = what
            self._tell()

    def step(self, step: AttemptStep, told: str, *, ok: bool = True, offered: str = "", required: str = "") -> None:
        """Record that a step has ended; it began when the one before it ended."""
        if self.record is None:
            if len(self._steps) == MOST_STEPS:
                self._steps.pop()
                self._steps_left_out += 1
                told = f"({self._steps_left_out} earlier steps are left out) {told}"
            self._steps.append(self._ended(step, told, ok=ok, offered=offered, required=required))
            self._doing = ""
            self._tell()

    def further_pair(self, pair: DomainPair, told: str, *, ok: bool, proofs: Proofs | None = None) -> None:
        """Publish another pair of domains on the same stream, after the end of the attempt."""
        if self.record is not None:
            self._publish(FurtherPair(attempt=self.record, pair=pair, ok=ok, told=told, proofs=proofs))

    def end(self, verdict: Verdict, reason: str = "", proofs: Proofs | None = None) -> None:
        """End the attempt; only the first verdict counts."""
        if self.record is None:
            self._doing = ""
            self.record = self._record(verdict, reason, proofs)
            self._publish(self.record)

    def publish(self, notice: Notice) -> None:
        """Publish something else that was found out on the way."""
        self._publish(notice)

    def stanzas(self, told: str) -> None:
        """Record that stanzas have passed; the first time is a separate step."""
        if not self._had_stanza and self.record is not None:
            self._had_stanza = True
            self._publish(FirstStanza(attempt=self.record, record=self._ended(AttemptStep.FIRST_STANZA, told)))

    def passed(self, stanzas: Sequence[Stanza], size: int, *, came_in: bool) -> None:
        """Publish that a batch was read from the stream or written to it; `size` in bytes."""
        self.stanzas("came in" if came_in else "went out")
        ends = (self.remote, self.local) if came_in else (self.local, self.remote)
        self._publish(
            StanzasPassed(came_in=came_in, via=self.kind, source=ends[0], target=ends[1], stanzas=stanzas, size=size)
        )

    def stream_ended(self, bytes_in: int, bytes_out: int, reason: str, verdict: Verdict = Verdict.ENDED) -> None:
        """Publish the end of the stream that the attempt established."""
        if self.record is not None and self.record.verdict is Verdict.ESTABLISHED:
            lasted = self._seconds() - self._from
            self._publish(
                StreamEnded(
                    attempt=self.record,
                    seconds=lasted,
                    bytes_in=bytes_in,
                    bytes_out=bytes_out,
                    reason=reason,
                    verdict=verdict,
                )
            )

    def _ended(
        self, step: AttemptStep, told: str, *, ok: bool = True, offered: str = "", required: str = ""
    ) -> StepRecord:
        now = self._seconds()
        before, self._step_from = self._step_from, now
        return StepRecord(
            step=step,
            ok=ok,
            began=self.began + before - self._from,
            seconds=now - before,
            told=shortened(told),
            offered=shortened(offered),
            required=required,
        )

    def _tell(self) -> None:
        self._publish(AttemptUnderWay(number=self.number, so_far=self.so_far))

    def so_far(self) -> Attempt:
        """Return the record as it is now."""
        return self.record or self._record(Verdict.UNDER_WAY, "")

    def _record(self, verdict: Verdict, reason: str, proofs: Proofs | None = None) -> Attempt:
        return Attempt(
            number=self.number,
            direction=self.direction,
            kind=self.kind,
            local=self.local,
            remote=self.remote,
            address=self.address,
            began=self.began,
            seconds=self._seconds() - self._from,
            steps=tuple(self._steps),
            verdict=verdict,
            reason=shortened(reason),
            doing=shortened(self._doing),
            proofs=proofs,
        )
