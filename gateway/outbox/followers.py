"""Followers: stanzas that are never kept, and wait in memory until everything kept before them has been written.

A follower comes after a *barrier*: the number of the last stanza kept before it. That number is known once its
transaction is on the disk; until then the follower waits for the transaction.

It waits for a limited time, and then goes back to its sender.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from twisted.internet.interfaces import IReactorTime

from gateway.timing.timers import Timer
from gateway.xmpp.stanzas import AddressedStanza

_LEAST_SECONDS = 0.001

EVERYTHING = float("inf")
"""The barrier of a stanza behind everything that an earlier process has kept, whose numbers are not known yet."""


class Space(Protocol):
    """The memory that all waiting stanzas share."""

    def take(self, size: int, count: int = 1) -> bool:
        """Return whether this many more bytes may wait."""

    def insist(self, count: int, size: int) -> None:
        """Reserve memory for stanzas that were accepted earlier, even if there is not enough."""

    def give_back(self, count: int, size: int) -> None:
        """Release the memory of `count` stanzas, `size` bytes together."""


@dataclass(slots=True)
class _Follower:
    stanza: AddressedStanza
    put: int  # the transaction that it waits for
    since: float
    barrier: float | None


class Followers:
    """The stanzas that follow the kept ones of one pair, oldest first."""

    def __init__(
        self,
        space: Space | None,
        clock: IReactorTime,
        *,
        patience: Callable[[], float | None],
        bounce: Callable[[AddressedStanza], None],
        bounced: Callable[[], None],
    ) -> None:
        """`patience` returns for how many seconds one waits; None: for now, without a limit.

        `bounce` is called with each whose time is over, and then `bounced`.
        """
        self._space = space
        self._clock = clock
        self._patience = patience
        self._bounce = bounce
        self._bounced = bounced
        self._impatience = Timer(clock)
        self.queue: deque[_Follower] = deque()  # to be read by others only where a call costs too much

    def __len__(self) -> int:
        return len(self.queue)

    def add(self, stanza: AddressedStanza, *, put: int, barrier: float | None) -> bool:
        """Let a stanza wait for a transaction, or for its barrier where that is known; False if there is no space."""
        if self._space is not None and not self._space.take(len(stanza.raw)):
            return False
        self.queue.append(_Follower(stanza, put, self._clock.seconds(), barrier))
        self._watch()
        return True

    def insist(self, stanza: AddressedStanza, *, put: int, barrier: float | None) -> None:
        """Let a stanza wait that was accepted earlier."""
        self._insist(stanza)
        self.queue.append(_Follower(stanza, put, self._clock.seconds(), barrier))
        self._watch()

    def put_first(self, stanzas: Sequence[tuple[AddressedStanza, float]]) -> None:
        """Let stanzas wait before all others, each for its barrier, because they were accepted before these."""
        since = self._clock.seconds()
        for stanza, barrier in reversed(stanzas):
            self._insist(stanza)
            self.queue.appendleft(_Follower(stanza, 0, since, barrier))
        self._watch()

    def insert(self, stanzas: Sequence[AddressedStanza], put: int, *, barrier: float) -> None:
        """Let stanzas wait that were refused by this transaction: before those that waited for it."""
        since = self._clock.seconds()
        place = next((place for place, each in enumerate(self.queue) if each.put >= put), len(self.queue))
        for number, stanza in enumerate(stanzas):
            self._insist(stanza)
            self.queue.insert(place + number, _Follower(stanza, put, since, barrier))
        self._watch()

    def _insist(self, stanza: AddressedStanza) -> None:
        if self._space is not None:
            self._space.insist(1, len(stanza.raw))

    def _watch(self) -> None:
        if self.queue and not self._impatience.is_running and (patience := self._patience()) is not None:
            self._impatience.start(patience, self._lose_patience)

    def _lose_patience(self) -> None:
        patience = self._patience()
        if patience is None:
            return
        while self.queue and self._clock.seconds() - self.queue[0].since >= patience:
            self._bounce(self.pop())
        if self.queue:
            seconds = self.queue[0].since + patience - self._clock.seconds()
            self._impatience.start(max(_LEAST_SECONDS, seconds), self._lose_patience)  # rounding may leave nothing
        self._bounced()

    def learn(self, put: int, first: float, last: float) -> None:
        """Record that the transactions up to this one are done; its stanzas have the numbers from `first` to `last`."""
        for each in self.queue:
            if each.barrier is None and each.put <= put:
                each.barrier = last
            elif each.barrier == EVERYTHING:
                each.barrier = min(EVERYTHING, first - 1)

    @property
    def barrier(self) -> float | None:
        """Return the barrier of the oldest; None while it is unknown, or if there is no follower."""
        return self.queue[0].barrier if self.queue else None

    def pop(self) -> AddressedStanza:
        """Take out the oldest."""
        stanza = self.queue.popleft().stanza
        if self._space is not None:
            self._space.give_back(1, len(stanza.raw))
        return stanza

    def take_all(self) -> list[AddressedStanza]:
        """Take out all."""
        self._impatience.stop()
        return [self.pop() for _ in range(len(self.queue))]
