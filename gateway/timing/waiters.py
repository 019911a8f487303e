"""Waiters: those who wait for the same thing, in the order in which they came."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred


class Waiters:
    """Deferreds that fire together, or a few at a time."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[Deferred[None]] | None = None  # hardly anybody ever waits

    def __len__(self) -> int:
        return len(self._waiting or ())

    def wait(self, cancelled: Callable[[Deferred[None]], None] | None = None) -> Deferred[None]:
        """Return a Deferred that fires when it is released; `cancelled` is called with one that is given up."""
        wait: Deferred[None] = Deferred(cancelled)
        if self._waiting is None:
            self._waiting = []
        self._waiting.append(wait)
        return wait

    def release(self, most: int | None = None) -> None:
        """Fire all Deferreds, or the first `most`; those that begin to wait meanwhile keep waiting."""
        if self._waiting is None:
            return
        if most is None:
            released, self._waiting = self._waiting, None
        else:
            released, self._waiting = self._waiting[:most], self._waiting[most:]
        for wait in released:
            if not wait.called:  # one that was given up has been fired by its owner
                wait.callback(None)
