"""Lanes: what goes from one process of one node to one process of another, in order and each batch once.

A lane is for one domain, so a component that reads slowly holds up only those who send to it. The sender numbers its
batches from 1 and has at most WINDOW of them in flight, and in these at most WINDOW_STANZAS stanzas. The receiver takes
exactly the next number, so it takes each batch once and in order, however often it is sent. Its acknowledgement is
cumulative: everything up to that number has been taken over, and there is room for more. A number too high shows that
something was lost: the receiver names the number that it needs, and the sender sends again from there on.

Both ends name the process, not only the node, and a lane that is given up is never used again: what a receiver still
gets of it cannot be taken for something else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence, Sized
from enum import Enum, auto
from typing import Generic, NamedTuple, TypeVar

from gateway.xmpp.errors import Misuse

BatchT = TypeVar("BatchT", bound=Sized)
KeyT = TypeVar("KeyT", bound=Hashable)

WINDOW, WINDOW_STANZAS = 16, 1024
"""The most batches of one lane in flight, and the stanzas in flight beyond which no further batch joins them."""
MOST_STANZAS, MOST_BYTES = 256, 65536
"""The most stanzas in one batch, and the bytes beyond which no further stanza joins it."""
MOST_GATHERED = 4 * MOST_BYTES
"""The bytes beyond which a lane takes nothing more in one turn of the event loop."""
MOST_LANES = 100_000
"""The most lanes into one process; further ones are refused."""


class Numbered(NamedTuple, Generic[BatchT]):
    """A batch with its number in its lane."""

    number: int
    batch: BatchT


class LaneSender(Generic[BatchT]):
    """The sending end of a lane."""

    def __init__(self) -> None:
        self.stanzas = 0  # in flight
        self._in_flight: deque[Numbered[BatchT]] = deque()
        self._last = 0

    def has_room_for(self, count: int) -> bool:
        """Return whether one more batch, of this many stanzas, may be sent."""
        return not self._in_flight or (len(self._in_flight) < WINDOW and self.stanzas + count <= WINDOW_STANZAS)

    @property
    def in_flight(self) -> Sequence[Numbered[BatchT]]:
        """The batches that were sent and not acknowledged, in order."""
        return tuple(self._in_flight)

    @property
    def sent(self) -> int:
        """Return the number of the last batch."""
        return self._last

    def send(self, batch: BatchT) -> Numbered[BatchT]:
        """Return the batch with its number, which is in flight now."""
        if not self.has_room_for(len(batch)):
            raise Misuse("a lane without room cannot take a batch")
        self._last += 1
        numbered = Numbered(self._last, batch)
        self._in_flight.append(numbered)
        self.stanzas += len(batch)
        return numbered

    def acknowledged(self, upto: int) -> int:
        """Note that the receiver has taken over everything up to this number; return how many batches that settles."""
        settled = 0
        while self._in_flight and self._in_flight[0].number <= upto:
            self.stanzas -= len(self._in_flight.popleft().batch)
            settled += 1
        return settled

    def needed(self, number: int) -> list[Numbered[BatchT]]:
        """Return what has to be sent again when the receiver needs this number."""
        self.acknowledged(number - 1)
        return list(self._in_flight)


class Arrival(Enum):
    """What is done with a batch that arrives."""

    TAKE = auto()  # it is the next one
    AGAIN = auto()  # it was taken before
    GAP = auto()  # one before it is missing


class _End:
    """The receiving end of a lane: what was taken, and what of it has been taken over for good."""

    __slots__ = ("complete", "done", "needed", "taken")

    def __init__(self) -> None:
        self.taken = 0
        self.needed = 0  # the missing number that was asked for last
        self.complete = 0  # everything up to here has been taken over
        self.done: set[int] = set()  # numbers beyond that, which were faster than those before them


class Intake(Generic[KeyT]):
    """The receiving ends of all lanes into this process, by any key for which lanes differ."""

    def __init__(self, most: int = MOST_LANES) -> None:
        self._most = most
        self._ends: dict[KeyT, _End] = {}

    def has_room_for(self, lane: KeyT) -> bool:
        """Return whether batches of this lane can be taken."""
        return lane in self._ends or len(self._ends) < self._most

    def receive(self, lane: KeyT, number: int) -> Arrival:
        """Decide about a batch; one that is to be taken counts as taken from now on."""
        end = self._ends.get(lane)
        if end is None:
            end = self._ends[lane] = _End()
        if number <= end.taken:
            return Arrival.AGAIN
        if number > end.taken + 1:
            return Arrival.GAP
        end.taken = number
        return Arrival.TAKE

    def done(self, lane: KeyT, number: int) -> int:
        """Note that a batch has been taken over for good; return up to which number all have been."""
        end = self._ends.get(lane)
        if end is None:
            return 0
        end.done.add(number)
        while end.complete + 1 in end.done:
            end.complete += 1
            end.done.discard(end.complete)
        return end.complete

    def complete(self, lane: KeyT) -> int:
        """Return up to which number everything has been taken over."""
        end = self._ends.get(lane)
        return 0 if end is None else end.complete

    def asks_for(self, lane: KeyT) -> int | None:
        """Return the number that is missing; None if it was asked for before: one question for each is enough."""
        end = self._ends.get(lane)
        number = 1 if end is None else end.taken + 1
        if end is not None:
            if end.needed == number:
                return None
            end.needed = number
        return number

    def forget(self, lane: KeyT) -> None:
        """Forget a lane that its sender has given up, or whose sender is gone."""
        self._ends.pop(lane, None)

    def lanes(self) -> list[KeyT]:
        """Return the keys of all lanes."""
        return list(self._ends)
