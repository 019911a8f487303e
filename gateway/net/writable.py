"""Writable: whether a transport takes more stanzas (back-pressure, where we write).

To the transport it is a push producer, which is paused when too much waits to be written and resumed when it is gone.
To those who write it tells whether there is room, and when. Whoever owns the connection hears of a pause, to watch how
long it lasts.
"""

from __future__ import annotations

from typing import Protocol
from weakref import proxy

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer


class Owner(Protocol):
    """Who owns the connection."""

    def write_paused(self) -> None:
        """Nothing more is taken for now."""

    def write_resumed(self) -> None:
        """What waited has been taken."""


@implementer(IPushProducer)
class Writable:
    """Whether there is room, and who waits for it."""

    def __init__(self, owner: Owner) -> None:
        self.is_open = True
        self._has_ended = False
        self._owner = proxy(owner)  # which refers to us, and shall be freed without the garbage collector
        self._waiting: list[Deferred[None]] = []

    def wait(self) -> Deferred[None] | None:
        """None when there is room; else a Deferred that fires when there is, or never will be."""
        if self.is_open:
            return None
        wait: Deferred[None] = Deferred()
        self._waiting.append(wait)
        return wait

    def end(self) -> None:
        """Our closing tag goes out: there will never be room behind it (RFC 6120 §4.4)."""
        self._has_ended = True
        self.is_open = False

    def release(self) -> None:
        """Nobody has to wait any more."""
        waiting, self._waiting = self._waiting, []
        for wait in waiting:
            wait.callback(None)

    def pauseProducing(self) -> None:
        self.is_open = False
        self._owner.write_paused()

    def resumeProducing(self) -> None:
        self._owner.write_resumed()
        if not self._has_ended:
            self.is_open = True
            self.release()

    def stopProducing(self) -> None:
        self.is_open = False
