"""WorkQueue: one thing after the other, for each account.

Most of what happens to an account is done when the call returns. Some of it waits for the store; whatever concerns
that account then waits behind it, so that stanzas never overtake each other. The queue is bounded. `Backlog` counts
what waits in all the queues of a domain, so that those who send can be asked to pause.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

from gateway.errors import StanzaCondition, StanzaError

Later: TypeAlias = Coroutine[Deferred[Any], Any, None] | None
# A step gives None when it is done, or a coroutine when it has to wait for something.
Step: TypeAlias = Callable[[], Later]
Failed: TypeAlias = Callable[[Failure], None]


class Backlog:
    """How many steps wait in a domain, and who waits for them to become fewer."""

    def __init__(self, most: int) -> None:
        self.waiting = 0
        self.busy: set[WorkQueue] = set()  # those in which something waits for the store
        self._most = most
        self._paused: list[Deferred[None]] = []

    def changed(self, by: int) -> None:
        """So many more steps wait, or fewer."""
        self.waiting += by
        if self._paused and self.waiting <= self._most // 2:
            paused, self._paused = self._paused, []
            for each in paused:
                each.callback(None)

    def room(self) -> Deferred[None] | None:
        """None while there is room; else a Deferred that fires when there is room again."""
        if self.waiting < self._most:
            return None
        pause: Deferred[None] = Deferred()
        self._paused.append(pause)
        return pause

    def cleared(self, rounds: int = 2) -> Deferred[None] | None:
        """None when nothing is under way; else a Deferred that fires when all that is under way now is done.

        What one account's step leads to in another account is a step there: hence the second round.
        """
        if not self.busy or not rounds:
            return None
        marks = [queue.mark() for queue in tuple(self.busy)]
        return DeferredList(marks).addCallback(lambda _: self.cleared(rounds - 1))


class WorkQueue:
    """The steps of one account, in order."""

    def __init__(self, backlog: Backlog, most: int, resumed: Callable[[], None]) -> None:
        """`resumed` is called when steps that had to wait are done: what they wrote has to be flushed."""
        self.is_idle = True
        self._backlog = backlog
        self._most = most
        self._resumed = resumed
        self._waiting: deque[tuple[Step, Failed]] = deque()

    def run(self, step: Step, failed: Failed) -> None:
        """Take the step now, or behind those that wait; `failed` gets what it raises, or that too many wait."""
        if len(self._waiting) < self._most:
            self.insist(step, failed)
        else:
            failed(Failure(StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too much is waiting for this account")))

    def insist(self, step: Step, failed: Failed) -> None:
        """As `run`, for what must not be refused: there are few of those for each resource."""
        if not self.is_idle:
            self._waiting.append((step, failed))
            self._backlog.changed(1)
            return
        self.is_idle = False
        if self._is_done(step, failed):
            self._go_on()

    def mark(self) -> Deferred[None]:
        """Fires when all that waits here now is done."""
        reached: Deferred[None] = Deferred()
        self.insist(lambda: reached.callback(None), lambda failure: None)
        return reached

    def _go_on(self) -> None:
        while self._waiting:
            step, failed = self._waiting.popleft()
            self._backlog.changed(-1)
            if not self._is_done(step, failed):
                return
        self.is_idle = True
        self._backlog.busy.discard(self)

    def _is_done(self, step: Step, failed: Failed) -> bool:
        """Take a step; False when it has to wait, and will go on by itself."""
        try:
            later = step()
        except Exception:
            failed(Failure())
            return True
        if later is None:
            return True
        waiting = Deferred.fromCoroutine(later).addErrback(failed)
        if waiting.called and not waiting.paused:
            return True
        self._backlog.busy.add(self)
        waiting.addBoth(self._go_on_later)
        return False

    def _go_on_later(self, _: object) -> None:
        self._go_on()
        self._resumed()
