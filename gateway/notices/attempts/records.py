"""Attempts: the history of each stream, opened by us or to us, in steps and in one sentence.

An attempt starts with the first step and ends when the stream is established or given up. Its record says what was
tried, what happened, what the other side offered, what we required, and how long each step took; if it failed, also on
which side the cause is and what the remedy is. Each step is published as a notice when it ends, the whole record at the
end; log, commands, page and metrics all use these. The first stanza is a step that comes after the end.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from gateway.bounds.tables import address_of, family
from gateway.notices.attempts.proofs import Proofs
from gateway.notices.attempts.proofs import sentence as proofs_in_words
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import Level, Notice
from gateway.stream.records import record
from gateway.xmpp.addresses import DomainPair


class Direction(StrEnum):
    """The side that opened the stream."""

    OUT = "out"
    IN = "in"


class Kind(StrEnum):
    """The purpose of a stream."""

    SERVER = "server"
    KEYS = "keys"
    COMPONENT = "component"
    CLIENT = "client"


class AttemptStep(StrEnum):
    """The steps of a stream, in order."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "TLS"
    CERTIFICATE = "certificate"
    PROOF = "proof"
    NEGOTIATION = "negotiation"
    FIRST_STANZA = "first stanza"


MOST_WORDS = 500
"""The most characters kept of the text of a step or an end; part of it comes from the other side."""

_ENDED = {
    Verdict.ESTABLISHED: "established",
    Verdict.QUESTIONS_ANSWERED: "only asked about our dialback keys",
    Verdict.CLOSED_BY_US: "closed by us",
    Verdict.SAID_NOTHING: "left without sending anything",
}


@record(frozen=True, kw_only=True, slots=True)
class StepRecord:
    """One step: whether it succeeded, when it began, how long it took (seconds), and its details.

    `offered` is what the other side offered, `required` what we asked for, where that matters.
    """

    step: AttemptStep
    ok: bool
    began: float
    seconds: float
    told: str
    offered: str = ""
    required: str = ""

    @property
    def sentence(self) -> str:
        """The step in words."""
        return "; ".join(
            told
            for told in (
                self.told,
                self.offered and f"offered: {self.offered}",
                self.required and f"required: {self.required}",
            )
            if told
        )


@record(frozen=True, kw_only=True, slots=True)
class StreamEnding:
    """How an established stream ended, `lasted` seconds after its attempt began; sizes are in bytes."""

    verdict: Verdict
    reason: str
    lasted: float
    bytes_in: int
    bytes_out: int


@record(frozen=True, kw_only=True)
class Attempt(Notice):
    """The record of one attempt; `local` and `remote` are domains, as far as they were known.

    `doing` says what an attempt under way is waiting for. `proofs` are those of an established stream between servers,
    and `ended` says how that stream ended, once it has.
    """

    number: int
    direction: Direction
    kind: Kind = Kind.SERVER
    local: str
    remote: str
    address: str
    began: float
    seconds: float
    steps: tuple[StepRecord, ...]
    verdict: Verdict
    reason: str = ""
    doing: str = ""
    proofs: Proofs | None = None
    ended: StreamEnding | None = None

    @property
    def level(self) -> Level:
        if self.verdict is Verdict.SAID_NOTHING:
            return Level.DEBUG
        return Level.WARN if self.verdict.is_failure else Level.INFO

    @property
    def cause(self) -> str:
        """The IP address that an incoming stream came from; for one of ours, the domain that made us open it."""
        return address_of(self.address) if self.direction is Direction.IN else family(self.remote)

    @property
    def outcome(self) -> Verdict:
        """The verdict on all that is known: how the stream ended, if it was established and has ended."""
        return self.verdict if self.ended is None else self.ended.verdict

    @property
    def mend(self) -> str:
        """The remedy for a failure."""
        return self.outcome.advice.mend.replace("DOMAIN", self.remote or self.local or "DOMAIN")

    @property
    def side(self) -> str:
        """The side on which to look for the cause of a failure."""
        return self.outcome.advice.side

    @property
    def who(self) -> str:
        """The stream, named by its two ends."""
        there = f" ({self.address})" if self.address else ""
        match self.direction, self.kind:
            case Direction.OUT, Kind.KEYS:
                return f"stream from {self.local or 'us'} to {self.remote}{there}, to verify a key"
            case Direction.OUT, _:
                return f"stream from {self.local or 'us'} to {self.remote}{there}"
            case _, Kind.COMPONENT:
                return f"component {self.remote or 'without a name'}{there}"
            case _, Kind.CLIENT:
                return f"client {self.remote or 'without a name'}{there}"
        return f"stream from {self.remote or 'an unnamed server'}{there} to {self.local or 'us'}"

    @property
    def what_happened(self) -> str:
        """The end in one sentence: the reason that was given, else the meaning of the verdict."""
        if self.ended is not None and self.ended.reason:
            return self.ended.reason
        return self.reason or self.outcome.advice.meaning

    @property
    def sentence(self) -> str:
        if not self.verdict.is_failure:
            told = "; ".join(f"{step.step} {step.told}" for step in self.steps if step.told)
            ended = _ENDED.get(self.verdict, str(self.verdict))
            proofs = f"; {proofs_in_words(self.proofs)}" if self.proofs is not None else ""
            return f"{self.who} {ended} in {self.seconds:.2f} s: {told or self.what_happened}{proofs}"
        at = f" at {self.steps[-1].step}" if self.steps else ""
        return (
            f"{self.who} failed after {self.seconds:.2f} s{at}: {self.what_happened}"
            f" ({self.verdict}; the cause is {self.side}). {self.mend}"
        )


@record(frozen=True, kw_only=True)
class AttemptUnderWay(Notice):
    """An attempt has begun, or another of its steps has ended; the record is made only when it is read."""

    number: int
    so_far: Callable[[], Attempt]

    @property
    def cause(self) -> str:
        return self.attempt.cause

    @property
    def attempt(self) -> Attempt:
        """Return the record as it is now, whether the attempt has ended or not."""
        return self.so_far()

    level = Level.DEBUG

    @property
    def sentence(self) -> str:
        steps = self.attempt.steps
        if self.attempt.doing or not steps:
            return f"{self.attempt.who}: {self.attempt.doing or 'begun'}"
        result = "done" if steps[-1].ok else "failed"
        return f"{self.attempt.who}: {steps[-1].step} {result} after {steps[-1].seconds:.3f} s: {steps[-1].told}"


@record(frozen=True, kw_only=True)
class FirstStanza(Notice):
    """The first stanzas passed on an established stream."""

    attempt: Attempt
    record: StepRecord

    level = Level.DEBUG

    @property
    def cause(self) -> str:
        return self.attempt.cause

    @property
    def sentence(self) -> str:
        return f"{self.attempt.who}: first stanza {self.record.told} after {self.record.seconds:.3f} s"


@record(frozen=True, kw_only=True)
class FurtherPair(Notice):
    """Another domain pair was proved, or refused, on an established stream (XEP-0220 §2.6)."""

    attempt: Attempt
    pair: DomainPair
    ok: bool
    told: str
    proofs: Proofs | None = None  # of a pair that was proved

    @property
    def level(self) -> Level:
        return Level.INFO if self.ok else Level.WARN

    @property
    def cause(self) -> str:
        return self.attempt.cause

    @property
    def ends(self) -> tuple[str, str]:
        """The other domain, and ours."""
        pair = self.pair
        return (pair.sender, pair.target) if self.attempt.direction is Direction.IN else (pair.target, pair.sender)

    @property
    def sentence(self) -> str:
        proof = "proof" if self.ok else "no proof"
        return f"{self.attempt.who}: {proof} of {self.pair.sender} towards {self.pair.target} {self.told}"


@record(frozen=True, kw_only=True)
class StreamEnded(Notice):
    """An established stream ended; `verdict` is a failure if one side objected to something.

    Sizes are in bytes and cover the whole stream.
    """

    attempt: Attempt
    seconds: float
    bytes_in: int
    bytes_out: int
    reason: str
    verdict: Verdict = Verdict.ENDED

    @property
    def level(self) -> Level:
        return Level.WARN if self.verdict.is_failure else Level.INFO

    @property
    def cause(self) -> str:
        return self.attempt.cause

    @property
    def ending(self) -> StreamEnding:
        """The end, as it is remembered with the attempt."""
        return StreamEnding(
            verdict=self.verdict,
            reason=shortened(self.reason),
            lasted=self.seconds,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
        )

    @property
    def sentence(self) -> str:
        advice = self.verdict.advice
        failure = f" ({self.verdict}; the cause is {advice.side}). {advice.mend}" if self.verdict.is_failure else ""
        return (
            f"{self.attempt.who}: ended after {self.seconds:.0f} s, {self.bytes_in} bytes in, {self.bytes_out} out:"
            f" {self.reason}{failure}"
        )


def shortened(text: str) -> str:
    """Return a text with at most MOST_WORDS characters, and a sign if there were more."""
    return text if len(text) <= MOST_WORDS else f"{text[:MOST_WORDS]}..."
