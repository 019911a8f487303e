"""ReadAhead: the kept stanzas of one pair that are sent next, and whether the disk has more behind them.

They are read from the disk, or remembered from being put if nothing on the disk comes before them. What is put while
the disk may have more is read later, in its turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import StrEnum

from gateway.outbox.waiting import Waiting

MOST_BYTES = 1 << 20
"""The most bytes in memory that wait to be sent."""


class ReadState(StrEnum):
    """What is known about the disk."""

    COMPLETE = "everything there has been read"
    UNREAD = "there may be more"
    READING = "more is being read"
    READING_BEHIND = "more is being read, and something has been put behind it"


class ReadEvent(StrEnum):
    """What changes that."""

    PUT = "something is put behind what was read"
    ASK = "the disk is asked for more"
    FIND = "it has more"
    FIND_NOTHING = "it has no more"
    FAIL = "it does not answer, or with what cannot be used yet"
    END = "the stream has ended"


AFTER: dict[ReadState, dict[ReadEvent, ReadState]] = {
    ReadState.COMPLETE: {
        ReadEvent.PUT: ReadState.UNREAD,
        ReadEvent.END: ReadState.UNREAD,
    },
    ReadState.UNREAD: {
        ReadEvent.PUT: ReadState.UNREAD,
        ReadEvent.ASK: ReadState.READING,
        ReadEvent.END: ReadState.UNREAD,
    },
    ReadState.READING: {
        ReadEvent.PUT: ReadState.READING_BEHIND,
        ReadEvent.FIND: ReadState.UNREAD,
        ReadEvent.FIND_NOTHING: ReadState.COMPLETE,
        ReadEvent.FAIL: ReadState.UNREAD,
        ReadEvent.END: ReadState.UNREAD,
    },
    ReadState.READING_BEHIND: {
        ReadEvent.PUT: ReadState.READING_BEHIND,
        ReadEvent.FIND: ReadState.UNREAD,
        ReadEvent.FIND_NOTHING: ReadState.UNREAD,
        ReadEvent.FAIL: ReadState.UNREAD,
        ReadEvent.END: ReadState.UNREAD,
    },
}


class ReadAhead:
    """The stanzas to be sent next, oldest first."""

    def __init__(self, *, has_more: bool) -> None:
        """`has_more`: the disk has stanzas of the pair."""
        self.stanzas: deque[Waiting] = deque()
        self.bytes = 0
        self.read_upto = 0
        self.state = ReadState.UNREAD if has_more else ReadState.COMPLETE

    def begin(self, *, has_more: bool) -> None:
        """Begin at the front: a stream has opened."""
        self.read_upto = 0
        self.state = ReadState.UNREAD if has_more else ReadState.COMPLETE

    def note(self, event: ReadEvent) -> None:
        """Enter the state behind an event."""
        self.state = AFTER[self.state][event]

    @property
    def is_being_read(self) -> bool:
        """Return whether the disk has been asked and has not answered."""
        return self.state is ReadState.READING or self.state is ReadState.READING_BEHIND

    @property
    def lacks_some(self) -> bool:
        """Return whether the disk has to be asked again before everything is known."""
        return self.state is ReadState.UNREAD or self.state is ReadState.READING_BEHIND

    def has_room(self, size: int) -> bool:
        """Return whether this many bytes that come next may be remembered instead of being read."""
        return self.state is ReadState.COMPLETE and self.bytes + size <= MOST_BYTES

    def extend(self, stanzas: Sequence[Waiting], size: int) -> None:
        """Add stanzas of this many bytes in all behind the others."""
        self.stanzas.extend(stanzas)
        self.bytes += size

    def pop(self) -> Waiting:
        """Take the oldest stanza."""
        stanza = self.stanzas.popleft()
        self.bytes -= len(stanza.raw)
        return stanza

    def clear(self) -> None:
        """Forget the stanzas; they are still on the disk, or dropped."""
        self.stanzas.clear()
        self.bytes = 0
