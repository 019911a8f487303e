"""Gathering: stanzas written to one connection soon after each other are sent together.

The first is sent at once. Writes within a moment after it come from other streams that have something to read in the
same turn of the reactor, as when a thousand of them feed one component. These are gathered and written at the end of
the turn, with one system call and one TLS record instead of hundreds. So single stanzas do not wait, and crowds cost
less.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

SOON = 0.0005  # seconds
MOST = 65536  # bytes


class Gathering:
    """The bytes on their way to one connection."""

    __slots__ = ("_clock", "_last", "_pieces", "_send", "_size", "_turn")

    def __init__(self, clock: IReactorTime, send: Callable[[bytes], None]) -> None:
        """`clock` is an IReactorTime; everything goes to `send`."""
        self._clock = clock
        self._send = send
        self._last = float("-inf")
        self._pieces: list[bytes] = []
        self._size = 0
        self._turn: IDelayedCall | None = None

    def write(self, data: bytes, now: float) -> None:
        """Send stanzas, at once or at the end of this turn."""
        is_alone = now - self._last > SOON and not self._pieces
        self._last = now
        if is_alone:
            self._send(data)
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size >= MOST:
            self.send_now()
        elif self._turn is None:
            self._turn = self._clock.callLater(0, self._turn_ends)

    def follow(self, data: bytes) -> None:
        """Send bytes that are not a stanza, at once and behind everything that was gathered."""
        self.send_now()
        self._send(data)

    def send_now(self) -> None:
        """Send what was gathered."""
        if self._pieces:
            pieces, self._pieces, self._size = self._pieces, [], 0
            self._send(b"".join(pieces))

    def end(self) -> None:
        """Send nothing more."""
        self._pieces.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None

    def _turn_ends(self) -> None:
        self._turn = None
        self.send_now()
