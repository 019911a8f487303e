"""WorkQueue: one job at a time for each account.

Most work for an account is done when the call returns. Some of it waits for the store; then everything for that account
waits behind it, so that stanzas never overtake each other. The queue is bounded. `Backlog` counts what waits in all the
queues of a domain, so that senders can be asked to pause.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

from gateway.timing.waiters import Waiters
from gateway.xmpp.errors import StanzaCondition, StanzaError

Later: TypeAlias = Coroutine[Deferred[Any], Any, None] | None
# A step returns None when it is done, or a coroutine if it has to wait for something.
AccountJob: TypeAlias = Callable[..., Later]
# Called for a step that fails, with the step's own arguments and then the Failure.
Failed: TypeAlias = Callable[..., None]


class Backlog:
    """How many steps wait in a domain, and who waits for them to become fewer."""

    def __init__(self, most: int) -> None:
        self.waiting = 0
        self.busy: set[WorkQueue] = set()  # the queues in which something waits for the store
        self._most = most
        self._paused = Waiters()

    def changed(self, by: int) -> None:
        """Change the number of waiting steps."""
        self.waiting += by
        if self._paused and self.waiting <= self._most // 2:
            self._paused.release()

    def room(self) -> Deferred[None] | None:
        """Return None while there is room, else a Deferred that fires when there is room again."""
        if self.waiting < self._most:
            return None
        return self._paused.wait()

    def cleared(self, rounds: int = 2) -> Deferred[None] | None:
        """Return None if nothing is under way, else a Deferred that fires when everything under way now is done.

        A step of one account may cause one in another account: hence the second round.
        """
        if not self.busy or not rounds:
            return None
        marks = [queue.mark() for queue in tuple(self.busy)]
        return DeferredList(marks).addCallback(lambda _: self.cleared(rounds - 1))


class WorkQueue:
    """The steps of one account, in order."""

    def __init__(self, backlog: Backlog, most: int, resumed: Callable[[], None]) -> None:
        """`resumed` is called when steps that had to wait are done: what they wrote must be flushed."""
        self.is_idle = True
        self._backlog = backlog
        self._most = most
        self._resumed = resumed
        self._waiting: deque[tuple[AccountJob, Failed, tuple[Any, ...]]] = deque()

    def run(self, step: AccountJob, failed: Failed, *arguments: Any) -> None:
        """Take the step now, or behind those that wait; `failed` gets what it raises, or that too many wait."""
        if self.is_idle:
            self.is_idle = False
            if self._is_done(step, failed, arguments):
                self._go_on()
        elif len(self._waiting) < self._most:
            self._wait(step, failed, arguments)
        else:
            too_much = StanzaError(StanzaCondition.RESOURCE_CONSTRAINT, "too much is waiting for this account")
            failed(*arguments, Failure(too_much))

    def insist(self, step: AccountJob, failed: Failed, *arguments: Any) -> None:
        """Run a step that must not be refused, as `run` does; there are few of those for each resource."""
        if self.is_idle:
            self.run(step, failed, *arguments)
        else:
            self._wait(step, failed, arguments)

    def _wait(self, step: AccountJob, failed: Failed, arguments: tuple[Any, ...]) -> None:
        self._waiting.append((step, failed, arguments))
        self._backlog.changed(1)

    def mark(self) -> Deferred[None]:
        """Return a Deferred that fires when everything that waits here now is done."""
        reached: Deferred[None] = Deferred()
        self.insist(lambda: reached.callback(None), lambda failure: None)
        return reached

    def _go_on(self) -> None:
        while self._waiting:
            step, failed, arguments = self._waiting.popleft()
            self._backlog.changed(-1)
            if not self._is_done(step, failed, arguments):
                return
        self.is_idle = True

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
