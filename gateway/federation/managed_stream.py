"""ManagedStream: the stream management of one stream between servers (XEP-0198 §4), which counts, asks and answers.

An acknowledgement is requested behind the first batch, and again as soon as the previous one has come and something is
still unacknowledged. At most one request is open, so the cost is one per round trip, no matter how much is sent. When
the unacknowledged stanzas reach their limit, there is no room for more. A peer that does not answer for too long is
considered gone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gateway.features.stream_management import REQUEST
from gateway.federation.stream_end import Headway
from gateway.stream.acknowledgements import Acknowledgements
from gateway.timing.waiters import Waiters
from gateway.xmpp.stanzas import AddressedStanza


class _UnsafeStanzas:
    """Stanzas that came in but would not survive a crash yet."""

    __slots__ = ("count", "is_safe", "told")

    def __init__(self, count: int) -> None:
        self.count = count
        self.is_safe = False
        self.told: Deferred[None] = Deferred()


class _UnsafeInOrder:
    """Incoming stanzas that are counted when they are safe, in the order in which they came."""

    def __init__(self, acknowledgements: Acknowledgements[AddressedStanza]) -> None:
        self._acknowledgements = acknowledgements
        self._waiting: deque[_UnsafeStanzas] = deque()
        self._is_short = False  # an answer was given that left some of them out

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, count: int, unsafe: Deferred[None] | None) -> Deferred[None]:
        """Count these once `unsafe` fires, and those before them are safe; return as `ManagedStream.handled` does."""
        waits = _UnsafeStanzas(count)
        self._waiting.append(waits)
        if unsafe is None:
            waits.is_safe = True
        else:
            unsafe.addCallback(self._safe, waits)
        return waits.told

    def _safe(self, _: object, waits: _UnsafeStanzas) -> None:
        waits.is_safe = True
        while self._waiting and self._waiting[0].is_safe:
            self._acknowledgements.handled(self._waiting.popleft().count)
        if self._is_short and not self._waiting:
            self._is_short = False
            waits.told.callback(None)

    def left_out(self) -> None:
        """Note that the other side was told a count without these."""
        self._is_short = bool(self._waiting)


class ManagedStream:
    """The stanzas sent and handled on one stream."""

    def __init__(
        self,
        acknowledgements: Acknowledgements[AddressedStanza],
        clock: IReactorTime,
        patience: float,
        silent: Callable[[], None],
        acknowledged_before: int | None = None,
        in_vain: int = 0,
    ) -> None:
        """`silent` is called when a request has been open for `patience` seconds.

        `acknowledged_before` is the number of stanzas acknowledged when an earlier connection of this stream broke;
        None if this is the first one. `in_vain` is how many connections of it, up to that one, led to nothing.
        """
        self.acknowledgements = acknowledgements
        acknowledgements.forget_question()  # of an earlier connection
        self.id: str | None = None  # by which the stream can be resumed
        self.careful_for = 0  # the number of stanzas that are sent a few at a time
        self._at_a_time = self._most_at_a_time = 1
        self._acknowledged_before = acknowledged_before
        self._in_vain = in_vain
        self.has_given_up = False  # the other side did not answer
        self.latest: Sequence[AddressedStanza] = ()  # the stanzas acknowledged last
        self.acknowledged_after: float | None = None  # seconds that the last acknowledgement took
        self.counts = False  # incoming stanzas are counted, since both sides enabled it
        self._clock = clock
        self._patience = patience
        self._silent = silent
        self._asked_at: float | None = None
        self._watch: IDelayedCall | None = None
        self._waiting = Waiters()
        self._unsafe = _UnsafeInOrder(acknowledgements)

    @property
    def has_room(self) -> bool:
        """Return whether more may be sent before something is acknowledged."""
        is_careful = self.careful_for and len(self.acknowledgements) >= self._at_a_time
        return not is_careful and not self.acknowledgements.is_full

    def room(self) -> Deferred[None]:
        """Return a Deferred that fires when there is room again."""
        return self._waiting.wait()

    def be_careful(self, count: int) -> None:
        """Send the next `count` stanzas a few at a time, to find the one that makes the other side fail.

        The first goes alone, then twice as many after each acknowledgement, up to an eighth of them. So the next break
        leaves an eighth.
        """
        self.careful_for = count
        self._at_a_time, self._most_at_a_time = 1, -(-count // 8)

    @property
    def was_resumed(self) -> bool:
        """Return whether this resumes a stream that broke."""
        return self._acknowledged_before is not None

    @property
    def headway(self) -> Headway:
        """Return what was acknowledged since this connection began, or the resumption that it began with."""
        if self.acknowledgements.acknowledged > (self._acknowledged_before or 0):
            return Headway.LED_ON
        return Headway.IN_VAIN if len(self.acknowledgements) else Headway.NONE

    @property
    def in_vain(self) -> int:
        """Return on how many connections in a row, up to this one, something was sent and nothing acknowledged."""
        return self._in_vain + 1 if self.headway is Headway.IN_VAIN else 0

    def sending(self, batch: Sequence[AddressedStanza], data: bytes) -> bytes:
        """Record a batch that is being sent; return the bytes to write."""
        self.acknowledgements.add(batch, len(data))
        return data + self._question()

    def handled(self, count: int, unsafe: Deferred[None] | None = None) -> Deferred[None] | None:
        """Count stanzas that have been dealt with: now, or once `unsafe` fires, and in their order.

        The result fires when an acknowledgement is due that the other side requested too early.
        """
        if not self.counts:
            return None
        if unsafe is None and not self._unsafe:
            self.acknowledgements.handled(count)
            return None
        return self._unsafe.add(count, unsafe)

    def asked(self) -> int:
        """Return our h, because the other side asks what has been handled."""
        self._unsafe.left_out()
        return self.acknowledgements.h

    def acknowledged(self, h: int) -> bytes:
        """Take an acknowledgement of everything up to `h`; return the bytes to write, if any.

        Raise StreamError if it is impossible.
        """
        new = self.latest = self.acknowledgements.acknowledge(h)
        self.careful_for = max(0, self.careful_for - len(new))
        self._at_a_time = min(2 * self._at_a_time, self._most_at_a_time)
        if self._asked_at is not None:
            self.acknowledged_after = self._clock.seconds() - self._asked_at
            self._asked_at = None
        if self.has_room:
            self._waiting.release()
        return self._question() if len(self.acknowledgements) else b""

    def close(self) -> None:
        """Stop, because the stream is gone, or no longer managed."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self._waiting.release()

    def _question(self) -> bytes:
        if not self.acknowledgements.ask():
            return b""
        self._asked_at = self._clock.seconds()
        if self._watch is None:
            self._watch = self._clock.callLater(self._patience, self._look)
        return REQUEST

    def _look(self) -> None:
        # One timer for many requests: it examines the one that is open when it fires.
        self._watch = None
        if self._asked_at is None:
            return
        left = self._asked_at + self._patience - self._clock.seconds()
        if left <= 0:
            self.has_given_up = True
            self._silent()
        else:
            self._watch = self._clock.callLater(left, self._look)
