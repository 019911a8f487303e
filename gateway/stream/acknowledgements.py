"""Acknowledgements: the stanzas that each side of a stream has taken responsibility for (XEP-0198 §4).

Two counters and a queue. `received` counts what the other side sent and we handled: our h. What we sent and the other
side has not acknowledged is kept, in order, until it does. Counters are kept whole and told modulo 2^32.

This outlives a connection. After one broke, `acknowledge` takes the h with which the other side resumes, and what is
left is sent again: as it is (`unacknowledged`, still counted), or again by its owner (`take_back`, no longer
counted). The code that fills the queue bounds it; `is_full` says when.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.namespaces import STREAM_MANAGEMENT

MODULUS = 2**32

T = TypeVar("T")


class Acknowledgements(Generic[T]):
    """Both directions of one managed stream; T is what is sent, usually stanzas."""

    def __init__(self, most_bytes: int = 1 << 20) -> None:
        self.waiting_bytes = 0
        self._most_bytes = most_bytes
        self._received = 0
        self._acknowledged = 0
        self._waiting: deque[T] = deque()
        self._sizes: deque[tuple[int, int]] = deque()  # of each batch: the count of all sent up to its end, its bytes

    # -- what the other side sends -----------------------------------------------------------------------------------

    @property
    def h(self) -> int:
        """How many of their stanzas we have handled, as it is told to them."""
        return self._received % MODULUS

    def handled(self, count: int) -> None:
        """We have taken responsibility for this many more of their stanzas."""
        self._received += count

    # -- what we send ------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def sent(self) -> int:
        """How many stanzas we have sent."""
        return self._acknowledged + len(self._waiting)

    @property
    def acknowledged(self) -> int:
        """How many of them the other side has acknowledged."""
        return self._acknowledged

    @property
    def is_full(self) -> bool:
        """Whether as many bytes wait for acknowledgement as are meant to."""
        return self.waiting_bytes >= self._most_bytes

    def add(self, batch: Sequence[T], size: int) -> None:
        """This batch is being sent, `size` bytes long."""
        self._waiting.extend(batch)
        self._sizes.append((self.sent, size))
        self.waiting_bytes += size

    def acknowledge(self, h: int) -> list[T]:
        """The other side has handled everything up to `h`; the answer is what of it is new, oldest first.

        Raises StreamError when that is more than was sent, or less than it had handled before.
        """
        new = (h - self._acknowledged) % MODULUS
        if new > len(self._waiting):
            raise _too_high(h, self.sent % MODULUS)
        handled = [self._waiting.popleft() for _ in range(new)]
        self._acknowledged += new
        # The bytes of a batch are given back when all of it is acknowledged.
        while self._sizes and self._sizes[0][0] <= self._acknowledged:
            self.waiting_bytes -= self._sizes.popleft()[1]
        return handled

    def unacknowledged(self) -> list[T]:
        """What was sent and not acknowledged, oldest first; it stays counted as sent."""
        return list(self._waiting)

    def take_back(self) -> list[T]:
        """What was sent and not acknowledged, oldest first; it counts as never sent."""
        waiting = list(self._waiting)
        self._waiting.clear()
        self._sizes.clear()
        self.waiting_bytes = 0
        return waiting


def _too_high(h: int, sent: int) -> StreamError:
    detail = Element(STREAM_MANAGEMENT, "handled-count-too-high", {"h": str(h), "send-count": str(sent)})
    text = f"{h} stanzas were acknowledged, and {sent} were sent"
    return StreamError(StreamCondition.UNDEFINED_CONDITION, text, detail=detail)
