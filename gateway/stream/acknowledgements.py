"""Acknowledgements: the stanzas that each side of a stream has taken responsibility for (XEP-0198 §4).

Two counters and a queue. `received` counts the stanzas that the other side sent and we handled: our h. The stanzas that
we sent are kept, in order, until the other side acknowledges them. Counters are kept as integers and sent modulo 2^32.
We ask for an acknowledgement behind what we send, and have one question open at a time.

This outlives a connection. After a break, `acknowledge` takes the h with which the other side resumes, and the rest is
sent again: either unchanged (`unacknowledged`, still counted), or by its owner (`take_back`, no longer counted). The
code that fills the queue bounds it; `is_full` says when.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import Generic, TypeVar

from gateway.xmpp.elements import Element
from gateway.xmpp.errors import StreamCondition, StreamError
from gateway.xmpp.namespaces import STREAM_MANAGEMENT

MODULUS = 2**32

T = TypeVar("T")


class Acknowledgements(Generic[T]):
    """Both directions of one managed stream; T is the type of what is sent, usually stanzas."""

    def __init__(self, most_bytes: int = 1 << 20, *, received: int = 0, acknowledged: int = 0) -> None:
        """`received` and `acknowledged` are the counts of a stream that is continued from elsewhere."""
        self.waiting_bytes = 0
        self._most_bytes = most_bytes
        self._received = received
        self._acknowledged = acknowledged
        self._asked_at: int | None = None  # how many had been sent when the question that is open was asked
        self._waiting: deque[T] = deque()
        self._sizes: deque[tuple[int, int]] = deque()  # for each batch: the count of all sent up to its end, its bytes

    # -- what the other side sends -----------------------------------------------------------------------------------

    @property
    def h(self) -> int:
        """The number of their stanzas that we have handled, as it is sent to them."""
        return self._received % MODULUS

    def handled(self, count: int) -> None:
        """Count more of their stanzas as handled."""
        self._received += count

    # -- what we send ------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def sent(self) -> int:
        """The number of stanzas that we have sent."""
        return self._acknowledged + len(self._waiting)

    @property
    def acknowledged(self) -> int:
        """The number of them that the other side has acknowledged."""
        return self._acknowledged

    @property
    def is_full(self) -> bool:
        """Return whether the unacknowledged bytes have reached their limit."""
        return self.waiting_bytes >= self._most_bytes

    def add(self, batch: Sequence[T], size: int) -> None:
        """Record a batch that is being sent, `size` bytes long."""
        self._waiting.extend(batch)
        self._sizes.append((self.sent, size))
        self.waiting_bytes += size

    def ask(self) -> bool:
        """Return whether to ask for an acknowledgement now: then the question counts as open."""
        if self._asked_at is not None:
            return False
        self._asked_at = self.sent
        return True

    @property
    def sent_since_asked(self) -> bool:
        """Return whether something was sent behind the open request."""
        return self._asked_at is not None and self.sent > self._asked_at

    def forget_question(self) -> None:
        """The connection on which a question was open is gone."""
        self._asked_at = None

    def acknowledge(self, h: int) -> list[T]:
        """Record that the other side has handled everything up to `h`; return what is newly acknowledged, oldest first.

        Raise StreamError if that is more than was sent, or less than it had handled before.
        """
        new = (h - self._acknowledged) % MODULUS
        if new > len(self._waiting):
            raise _too_high(h, self.sent % MODULUS)
        self._asked_at = None
        handled = [self._waiting.popleft() for _ in range(new)]
        self._acknowledged += new
        # The bytes of a batch are released when all of it is acknowledged.
        while self._sizes and self._sizes[0][0] <= self._acknowledged:
            self.waiting_bytes -= self._sizes.popleft()[1]
        return handled

    def unacknowledged(self) -> list[T]:
        """Return what was sent and not acknowledged, oldest first; it stays counted as sent."""
        return list(self._waiting)

    def replace(self, others: Mapping[int, T]) -> Collection[int]:
        """Put others in the place of unacknowledged stanzas, by their `id()`; return the ids of those found."""
        found = {id(each) for each in self._waiting} & others.keys()
        if found:
            self._waiting = deque([others.get(id(each), each) for each in self._waiting])
        return found

    def take_back(self) -> list[T]:
        """Return what was sent and not acknowledged, oldest first; it counts as never sent."""
        waiting = list(self._waiting)
        self._waiting.clear()
        self._sizes.clear()
        self.waiting_bytes = 0
        return waiting


def _too_high(h: int, sent: int) -> StreamError:
    detail = Element(STREAM_MANAGEMENT, "handled-count-too-high", {"h": str(h), "send-count": str(sent)})
    text = f"{h} stanzas were acknowledged, but only {sent} were sent"
    return StreamError(StreamCondition.UNDEFINED_CONDITION, text, detail=detail)
