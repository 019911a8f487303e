"""WorkQueue: one job at a time for each account.

Most work for an account is done when the call returns. Some of it waits for the store; then everything for that account
waits behind it, so that the stanzas of one sender never overtake each other. What the account's own clients send, and
what it sends to itself, goes before the stanzas of others, which have their turn at least once in `MOST_IN_A_ROW`
steps. The queue is bounded. `Backlog` counts what waits in all the queues of a domain, so that senders can be asked to
pause.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

from gateway.im.limits import AccountLimits
from gateway.im.waiting_steps import AccountJob, Failed, Later, SharedSteps, StepKind, Steps, WaitingStep, cause_of
from gateway.timing.waiters import Waiters
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.stanzas import AddressedStanza, Stanza

__all__ = ["AccountJob", "Backlog", "Failed", "Later", "Pressure", "WorkQueue"]

MOST_IN_A_ROW = 10
"""The steps of an account's own that are taken before one for the stanza of somebody else, if there is one."""


class Pressure:
    """How many steps wait, and who pauses until they become fewer."""

    def __init__(self, most: int, most_bytes: int) -> None:
        self.waiting = 0
        self._size = 0
        self._most = most
        self._most_bytes = most_bytes
        self._was_added_to = False
        self._paused = Waiters()

    def add(self, step: WaitingStep) -> None:
        """Count a step that waits."""
        self.waiting += 1
        self._size += step.size
        self._was_added_to = True

    def remove(self, step: WaitingStep) -> None:
        """Stop counting a step."""
        self.waiting -= 1
        self._size -= step.size
        if self._paused and self.waiting <= self._most // 2 and self._size <= self._most_bytes // 2:
            self._paused.release()

    def pause(self) -> Deferred[None] | None:
        """Return a Deferred if too much waits, and some of it since the last call: the sender of that should pause
        until it fires.
        """
        was_added_to, self._was_added_to = self._was_added_to, False
        if not was_added_to or (self.waiting < self._most and self._size < self._most_bytes):
            return None
        return self._paused.wait()


class Backlog:
    """The steps that wait in a domain."""

    def __init__(self, most: int, most_bytes: int) -> None:
        """The bounds are for the accounts' own steps, and again for those of others."""
        self.own = Pressure(most, most_bytes)
        self.others = Pressure(most, most_bytes)
        self.busy: set[WorkQueue] = set()  # the queues in which something waits for the store

    def cleared(self, account: Address | None = None, rounds: int = 2) -> Deferred[None] | None:
        """Return None if nothing is under way, else a Deferred that fires when everything under way now is done; with
        an account: everything that it has sent, to itself and to others.

        A step of one account may cause one in another account: hence the second round.
        """
        if not self.busy or not rounds:
            return None
        marks = [mark for queue in tuple(self.busy) for mark in queue.marks(account)]
        return DeferredList(marks).addCallback(lambda _: self.cleared(account, rounds - 1))


class WorkQueue:
    """The steps of one account: its own in order, and in order those for the stanzas of each other sender."""

    __slots__ = ("_backlog", "_insisted", "_limits", "_others", "_own", "_owner", "_resumed", "_row", "is_idle")

    def __init__(self, owner: Address, backlog: Backlog, limits: AccountLimits, resumed: Callable[[], None]) -> None:
        """`resumed` is called when steps that had to wait are done: what they wrote must be flushed."""
        self.is_idle = True
        self._owner = owner
        self._backlog = backlog
        self._limits = limits
        self._resumed = resumed
        self._own: Steps | None = None  # hardly anything ever waits
        self._others: SharedSteps | None = None
        self._insisted = 0  # how many of its own steps must not be overtaken
        self._row = 0  # how many of its own were taken one after the other

    def run(self, stanza: AddressedStanza, step: AccountJob, failed: Failed, *arguments: Any) -> None:
        """Take a step for a stanza now, or behind those that wait; `failed` gets what it raises, or that too much
        waits.
        """
        if self.is_idle:  # as `_begin`, without a call
            self.is_idle = False
            if self._is_done(step, failed, arguments):
                self._go_on()
        elif stanza.from_.bare == self._owner.bare:
            self.run_own(stanza, step, failed, *arguments)
        else:
            self._wait_for_turn(
                cause_of(stanza.from_, self._owner.domain), WaitingStep(step, failed, arguments, len(stanza.raw))
            )

    def run_own(self, stanza: Stanza, step: AccountJob, failed: Failed, *arguments: Any) -> None:
        """Take a step for what a client of the account has sent, as `run` does."""
        if self.is_idle:
            self._begin(step, failed, arguments)
            return
        own, limits, size = self._own, self._limits, len(stanza.raw)
        if own is not None and (own.number >= limits.waiting or own.size + size > limits.waiting_bytes):
            failed(*arguments, _too_much())
        else:
            self._wait(WaitingStep(step, failed, arguments, size))

    def insist(self, step: AccountJob, failed: Failed, *arguments: Any) -> None:
        """Run a step that must not be refused, nor overtaken by steps of others; there are few of those for each
        resource.
        """
        if self.is_idle:
            self._begin(step, failed, arguments)
        else:
            self._insisted += 1
            self._wait(WaitingStep(step, failed, arguments, kind=StepKind.STATE))

    def marks(self, account: Address | None = None) -> list[Deferred[None]]:
        """Return Deferreds that fire when everything that waits here now is done, or everything from an account."""
        if account is not None:
            return [self.mark(account)]
        causes = () if self._others is None else tuple(self._others)
        return [self._mark(cause) for cause in (self._owner.bare, *causes)]

    def mark(self, account: Address) -> Deferred[None]:
        """Return a Deferred that fires when everything from an account that waits here now is done."""
        return self._mark(cause_of(account, self._owner.domain))

    def _mark(self, cause: str) -> Deferred[None]:
        reached: Deferred[None] = Deferred()
        step = WaitingStep(lambda: reached.callback(None), lambda failure: None, (), kind=StepKind.MARK)
        if cause == self._owner.bare:
            self._wait(step)
        elif self._others is not None and cause in self._others:
            self._backlog.others.add(step)
            self._others.put(cause, step)
        else:  # at most the step that is under way is of this cause
            self._wait(step, is_next=True)
        return reached

    def _wait(self, step: WaitingStep, *, is_next: bool = False) -> None:
        if self._own is None:
            self._own = Steps()
        self._own.put(step, is_first=is_next)
        self._backlog.own.add(step)

    def _wait_for_turn(self, cause: str, step: WaitingStep) -> None:
        if self._others is None:
            self._others = SharedSteps(self._limits.waiting, self._limits.waiting_bytes)
        self._backlog.others.add(step)
        for refused in self._others.put(cause, step):
            self._backlog.others.remove(refused)
            refused.failed(*refused.arguments, _too_much())

    def _begin(self, step: AccountJob, failed: Failed, arguments: tuple[Any, ...]) -> None:
        self.is_idle = False
        if self._is_done(step, failed, arguments):
            self._go_on()

    def _go_on(self) -> None:
        while self._own is not None or self._others is not None:
            step = self._next()
            if step is None:
                self._own = self._others = None
            elif not self._is_done(step.job, step.failed, step.arguments):
                return
        self.is_idle = True

    def _next(self) -> WaitingStep | None:
        own, others = self._own, self._others
        if own is not None and own.steps and (not others or self._insisted or self._row < MOST_IN_A_ROW):
            self._row += 1
            step = own.take()
            self._insisted -= step.kind is StepKind.STATE
            self._backlog.own.remove(step)
            return step
        self._row = 0
        if not others:
            return None
        step = others.take()
        self._backlog.others.remove(step)
        return step

    def _is_done(self, step: AccountJob, failed: Failed, arguments: tuple[Any, ...]) -> bool:
        """Take a step; return False if it has to wait, and will continue by itself."""
        try:
            later = step(*arguments)
        except Exception:
            failed(*arguments, Failure())
            return True
        if later is None:
            return True
        waiting = Deferred.fromCoroutine(later).addErrback(lambda failure: failed(*arguments, failure))
        if waiting.called and not waiting.paused:
            return True
        self._backlog.busy.add(self)
        waiting.addBoth(self._go_on_later)
        return False

    def _go_on_later(self, _: object) -> None:
        self._go_on()
        if self.is_idle:
            self._backlog.busy.discard(self)
        self._resumed()


def _too_much() -> Failure:
    return Failure(StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too much is waiting for this account"))
