"""Handover: kept messages on a stream without stream management, where the client acknowledges nothing.

A message counts as received when the client ends its stream properly, or when the connection has been up for some
seconds after the message was written and has room for more. The connection of a client that vanished usually breaks or
fills up before that; if it does not, nobody can know. Clients that want certainty use XEP-0198.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gateway.im.kept import KeptMessage

CONFIRM_SECONDS = 5.0


class Handover:
    """The kept messages that were passed to one client's connection, until they are received or given back."""

    def __init__(
        self, clock: IReactorTime, is_written: Callable[[], bool], taken: Callable[[Sequence[KeptMessage]], None]
    ) -> None:
        """`is_written` returns whether the connection is up and has room, and nothing waits for it."""
        self._clock = clock
        self._is_written = is_written
        self._taken = taken
        self._messages: list[KeptMessage] = []
        self._timer: IDelayedCall | None = None

    def add(self, messages: Sequence[KeptMessage]) -> None:
        """Add messages that are being written; the seconds start again for all."""
        self._messages += messages
        self._wait()

    def confirm(self) -> None:
        """Note that the client has all of them."""
        messages = self.take_back()
        if messages:
            self._taken(messages)

    def take_back(self) -> list[KeptMessage]:
        """Return those that may not have been received, oldest first, and stop waiting for them."""
        self._stop()
        messages, self._messages = self._messages, []
        return messages

    def _wait(self) -> None:
        self._stop()
        self._timer = self._clock.callLater(CONFIRM_SECONDS, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._is_written():
            self.confirm()
        else:
            self._wait()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
