"""Exposure: what is in flight and would be sent again if the gateway died now.

A stanza is exposed from the time when it is written until the disk has recorded that it is settled, or that the other
side has read it. The window bounds the exposed ones, so it bounds how many arrive twice after a crash.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence

from gateway.outbox.errors import OutboxError, error_of, ignore_failure
from gateway.outbox.keeper import Keeper
from gateway.timing.timers import Timer
from gateway.xmpp.addresses import DomainPair

AGAIN_SECONDS = 1.0
"""Until an outbox that could not do something is asked again; it mends itself meanwhile."""


class Exposure:
    """The exposed stanzas of one pair, by number."""

    def __init__(
        self, pair: DomainPair, keeper: Keeper, *, noted: Callable[[int | None, int], None], again: Callable[[], None]
    ) -> None:
        """`noted` is called with how many are no longer exposed, and the number up to which that is so.

        It is called with None if their stream has ended meanwhile.

        `again` is called a moment after the disk has failed to record something.
        """
        self._pair = pair
        self._keeper = keeper
        self._noted = noted
        self._again = again
        self._batches: deque[Sequence[int]] = deque()
        self._marked_upto = 0  # of those in flight, the disk knows, or will soon, that these were read
        self._stream = 0
        self._soon = Timer(keeper.clock)

    @property
    def first(self) -> int:
        """Return the number of the first one that is exposed."""
        return self._batches[0][0]

    @property
    def last(self) -> int:
        """Return the number of the last one that is exposed."""
        return self._batches[-1][-1]

    def begin(self) -> None:
        """Note that a stream has opened."""
        self._stream += 1

    def written(self, numbers: Sequence[int]) -> None:
        """Note that these have been written to the stream."""
        self._batches.append(numbers)

    def settle(self, upto: int) -> None:
        """Record on the disk that everything up to this number is settled."""
        outbox = self._keeper.outbox
        if outbox is not None:
            outbox.settle_for(self, self._pair, upto, self._stream)

    def mark(self, upto: int) -> None:
        """Record on the disk what has been read: a crash will not send it again, so others may take its place."""
        outbox = self._keeper.outbox
        if outbox is None or not self._batches or max(self._marked_upto, self.first - 1) >= upto:
            return
        self._marked_upto = upto
        stream = self._stream
        outbox.mark_read(self._pair, upto).addCallbacks(
            lambda _: self.recorded(upto, stream), lambda failure: self.not_recorded(error_of(failure), stream)
        )

    def end(self) -> None:
        """Forget all, and what was read: the server may have lost it when its stream broke, so it is sent again."""
        self._stream += 1
        self._soon.stop()
        self._batches.clear()
        if self._marked_upto and self._keeper.outbox is not None:
            self._keeper.outbox.mark_read(self._pair, 0).addErrback(ignore_failure)
        self._marked_upto = 0

    def recorded(self, upto: int, stream: int) -> None:
        """Go on, because the disk has recorded this; while it does not, the stanzas stay exposed."""
        if stream != self._stream:
            self._noted(None, upto)
            return
        count = 0
        batches = self._batches
        while batches and (batch := batches[0])[0] <= upto:
            if batch[-1] <= upto:
                count += len(batch)
                batches.popleft()
            else:
                noted = bisect_right(batch, upto)
                count += noted
                batches[0] = batch[noted:]
        self._noted(count, upto)

    def not_recorded(self, error: OutboxError, stream: int) -> None:
        """Try again in a moment; a crash would double all that is sent if stanzas were no longer counted meanwhile."""
        if stream == self._stream and not self._soon.is_running:
            self._soon.start(AGAIN_SECONDS, self._record_again)

    def _record_again(self) -> None:
        if self._batches:
            self._marked_upto = 0
            self._again()
