"""Attempts: what each stream, opened by us or to us, went through, in steps and in one sentence.

An attempt starts with the first step and ends when the stream is established or given up. Its record says what was
tried, what came of it and how long each step took; if it failed, on whose side and what would mend it. The record is
published as a notice; log line, commands and page all tell it from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from gateway.notices import Level, Notice, Publish


class Direction(StrEnum):
    """Who opened the stream."""

    OUT = "out"
    IN = "in"


class Step(StrEnum):
    """What a stream goes through, in this order."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    TLS = "TLS"
    CERTIFICATE = "certificate"
    PROOF = "proof"
    NEGOTIATION = "negotiation"


class Verdict(StrEnum):
    """How an attempt ended; the closed set by which attempts are counted."""

    ESTABLISHED = "established"
    QUESTIONS_ANSWERED = "questions-answered"  # by us, about dialback keys: all that the stream was opened for
    NO_SUCH_DOMAIN = "no-such-domain"
    DNS_FAILED = "dns-failed"
    UNREACHABLE = "unreachable"
    TLS_FAILED = "tls-failed"
    NOT_TRUSTED = "not-trusted"
    PROOF_REFUSED = "proof-refused"
    CLOSED_BY_PEER = "closed-by-peer"
    REFUSED_BY_US = "refused-by-us"
    CONNECTION_LOST = "connection-lost"
    TIMEOUT = "timeout"


# On whose side the cause of a verdict is looked for first, and what mends it there.
ADVICE: dict[Verdict, tuple[str, str]] = {
    Verdict.ESTABLISHED: ("", ""),
    Verdict.QUESTIONS_ANSWERED: ("", ""),
    Verdict.NO_SUCH_DOMAIN: ("theirs", "check the spelling of the domain; its owner has to publish DNS records"),
    Verdict.DNS_FAILED: ("the resolver's", "try the name with another resolver, and look at [dns] nameservers"),
    Verdict.UNREACHABLE: ("theirs or the network's", "ask if their server runs; let port 5269 through our firewall"),
    Verdict.TLS_FAILED: ("both", "compare TLS versions and ciphers of both sides: [tls] on ours"),
    Verdict.NOT_TRUSTED: (
        "theirs",
        "they need a certificate for that domain from an authority that we trust, or we list 'dialback' for them",
    ),
    Verdict.PROOF_REFUSED: ("ours", "check our certificate for that domain, and that DNS leads from its name to us"),
    Verdict.CLOSED_BY_PEER: ("theirs", "their log says why they closed the stream"),
    Verdict.REFUSED_BY_US: ("ours", "look at [peers] and [domains] in our configuration, if it is to be let in"),
    Verdict.CONNECTION_LOST: ("theirs or the network's", "look at their log; something between us may cut connections"),
    Verdict.TIMEOUT: ("theirs or the network's", "something does not answer: a firewall, or an overloaded server"),
}  # fmt: skip


_GOOD = {Verdict.ESTABLISHED: "established", Verdict.QUESTIONS_ANSWERED: "asked about keys, and was answered,"}


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One step: whether it succeeded, when it began and how long it took (seconds), what there is to tell."""

    step: Step
    ok: bool
    began: float
    seconds: float
    told: str


@dataclass(frozen=True, kw_only=True)
class Attempt(Notice):
    """The record of one attempt; `local` and `remote` are domains as far as they were known."""

    number: int
    direction: Direction
    local: str
    remote: str
    address: str
    began: float
    seconds: float
    steps: tuple[StepRecord, ...]
    verdict: Verdict
    reason: str = ""

    @property
    def level(self) -> Level:
        return Level.INFO if self.verdict in _GOOD else Level.WARN

    @property
    def advice(self) -> str:
        """What would mend a failure."""
        return ADVICE[self.verdict][1]

    @property
    def side(self) -> str:
        """On whose side the cause of a failure is to be looked for."""
        return ADVICE[self.verdict][0]

    @property
    def sentence(self) -> str:
        told = "; ".join(f"{step.step} {step.told}" for step in self.steps if step.told)
        there = f" ({self.address})" if self.address else ""
        if self.direction is Direction.OUT:
            who = f"stream from {self.local or 'us'} to {self.remote}{there}"
        else:
            who = f"stream from {self.remote or 'an unnamed server'}{there} to {self.local or 'us'}"
        if self.verdict in _GOOD:
            return f"{who} {_GOOD[self.verdict]} in {self.seconds:.2f} s: {told}"
        failed = f"{who} failed after {self.seconds:.2f} s: {self.reason or self.verdict}"
        return f"{failed}. What was done: {told or 'nothing'}. To mend it: {self.advice}"


class AttemptLog:
    """An attempt under way: steps are begun and ended as they happen, until one verdict."""

    def __init__(
        self,
        publish: Publish,
        seconds: Callable[[], float],
        number: int,
        direction: Direction,
        *,
        local: str = "",
        remote: str = "",
        address: str = "",
    ) -> None:
        """`seconds` is the clock; `number` tells this attempt from all others of the process."""
        self.local = local
        self.remote = remote
        self.address = address
        self._publish = publish
        self._seconds = seconds
        self._number = number
        self.direction = direction
        self._began = self._step_began = seconds()
        self._steps: list[StepRecord] = []
        self.record: Attempt | None = None

    @property
    def is_open(self) -> bool:
        """Whether no verdict has been reached yet."""
        return self.record is None

    def step(self, step: Step, told: str, *, ok: bool = True) -> None:
        """A step has ended, which began when the one before it did end."""
        if self.record is None:
            now = self._seconds()
            self._steps.append(
                StepRecord(step=step, ok=ok, began=self._step_began, seconds=now - self._step_began, told=told)
            )
            self._step_began = now

    def end(self, verdict: Verdict, reason: str = "") -> None:
        """The attempt has ended; only the first verdict counts."""
        if self.record is None:
            self.record = Attempt(
                number=self._number,
                direction=self.direction,
                local=self.local,
                remote=self.remote,
                address=self.address,
                began=self._began,
                seconds=self._seconds() - self._began,
                steps=tuple(self._steps),
                verdict=verdict,
                reason=reason,
            )
            self._publish(self.record)
