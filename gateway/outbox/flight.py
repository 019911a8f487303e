"""Flight: the stanzas in flight on one stream, for all pairs of domains whose kept stanzas use it.

A stream to another server carries one pair; that to a component carries those of every domain that sends to it. They
share one window: after a break, one stanza is in flight on the whole stream, not one for each pair; otherwise nobody
could tell which of them broke the other side. While the window is small, stanzas are sent by their numbers, as if they
were one queue; once it is open, each pair sends what it has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.outbox.window import Break, Window

MOST_BYTES = 16 << 20
"""The most bytes in flight on a stream: they are in memory, and may arrive twice if the stream breaks."""


class Flyer(Protocol):
    """The backlog of one pair, as its flight sees it."""

    @property
    def head(self) -> int | None:
        """The number of the next stanza to send: 0 while it is unknown, None if there is none."""

    @property
    def unread(self) -> Sequence[int]:
        """The numbers of the stanzas in flight that the other side is not known to have read, oldest first."""

    def send_now(self, most: int | None) -> None:
        """Send what the stream has room for, up to `most` stanzas."""


class Flight:
    """The window of one stream, and how much is in flight on it."""

    def __init__(self) -> None:
        self.window = Window()
        self.count = 0
        self.exposed = 0  # those that are sent again if the gateway dies now
        self.size = 0
        self._flyers: dict[Flyer, None] = {}  # those that send on the stream
        self._is_sending = False

    def join(self, flyer: Flyer) -> None:
        """Let this one also send on the stream."""
        self._flyers[flyer] = None

    def leave(self, flyer: Flyer) -> None:
        """Forget one that has nothing left."""
        self._flyers.pop(flyer, None)

    @property
    def has_space(self) -> bool:
        """Return whether there is memory for more."""
        return self.size < MOST_BYTES

    def room(self, head: int | None, *, is_timed: bool) -> int:
        """Return how many more may be sent, `head` first; `is_timed`: only time settles what this pair sends."""
        if self.size >= MOST_BYTES:
            return 0
        in_flight = self.count if is_timed else self.exposed
        return self.window.room(in_flight, head)

    def send(self, flyer: Flyer) -> None:
        """Let that one send what it may; while the window is small, let the next one in order send."""
        if self.is_open:
            flyer.send_now(None)
            return
        flyer.send_now(0)  # sends followers, which do not use the window, and reads a page
        if not self._is_sending:
            self._send_in_order()

    @property
    def is_open(self) -> bool:
        """Return whether the window is open, so that each sends what it has."""
        return self.window.step is None  # read directly, because it is asked for each batch

    def sent(self, count: int, size: int) -> None:
        """Record that more stanzas are in flight, and exposed to a crash."""
        self.count += count
        self.exposed += count
        self.size += size

    def noted(self, count: int, upto: int) -> None:
        """Record that some, the last of them with this number, are no longer exposed: they have been read."""
        if count:
            self.exposed -= count
            self.window = self.window.read(count, upto)
            if len(self._flyers) > 1:
                self._go_on()

    def settled(self, count: int, size: int) -> None:
        """Record that `count` stanzas are settled, `size` bytes together."""
        self.count -= count
        self.size -= size
        if len(self._flyers) > 1:  # a single one continues by itself
            self._go_on()

    def broke(self, made: Break) -> None:
        """Record that the stream is gone, with all that was sent on it and not settled in flight."""
        if self.count:
            self.window = self.window.broke(made, sorted([each for flyer in self._flyers for each in flyer.unread]))
        self.ended()

    def ended(self) -> None:
        """Record that the stream is gone; what it has not delivered will become known (`missed`)."""
        self.count = self.size = self.exposed = 0
        self._flyers.clear()

    def missed(self, made: Break, numbers: Sequence[int]) -> None:
        """Record which stanzas a stream that is gone turned out not to have delivered, oldest first."""
        self.window = self.window.broke(made, numbers)

    def _go_on(self) -> None:
        """Let those that waited for room send, each in its turn."""
        if self._is_sending:
            return
        if not self.is_open:
            self._send_in_order()
            return
        self._is_sending = True
        try:
            for flyer in [*self._flyers]:
                before = self.count
                flyer.send_now(None)
                if self.count != before and flyer in self._flyers:  # the others come first the next time
                    self._flyers[flyer] = self._flyers.pop(flyer)
        finally:
            self._is_sending = False

    def _send_in_order(self) -> None:
        self._is_sending = True
        try:
            while not self.is_open:
                heads = ((flyer.head, number, flyer) for number, flyer in enumerate(self._flyers))
                head, _, flyer = min(
                    (each for each in heads if each[0] is not None), default=(None, 0, None), key=lambda each: each[:2]
                )
                before = self.count
                if flyer is None or not self.room(head, is_timed=False):
                    return
                flyer.send_now(None if len(self._flyers) == 1 else 1)
                if self.count == before and flyer.head == head:
                    return  # it is being read, or the stream has no room
        finally:
            self._is_sending = False
