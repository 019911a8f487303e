"""The sending window: how many kept stanzas are in flight, and which one makes a peer fail.

At most MOST stanzas of a pair are in flight, so that a crash of the gateway, after which they are sent again, doubles
no more than these. After a stream broke, one stanza goes out alone; when the other side has read as many as may be in
flight, the window takes twice as many, up to MOST, and is open again when those have been read too.

    step          that many were read             the stream broke
    OPEN          OPEN                            1
    1, 2 .. 32    the double                      1
    MOST (64)     OPEN, unless there are suspects  1

Suspects are the stanzas that the other side had not read when it ended a stream. After the first such end no more than
eight of them are in flight, after the second one at a time. So of 64 the second end leaves eight, and the third one: it
was alone, and is to blame. When all of them have been read, that end was nobody's fault. This takes eleven round trips
after the first end, and eight after the second, where all are innocent.

    not read at the break    made by them                              made otherwise
    nothing                  no suspects                               the suspects as before
    some of the suspects     these are suspects, one break more;       the suspects as before
                             the third, with one alone: blamed
    none of the suspects     all of it is suspect, one break           the suspects as before

A stanza that was read is no suspect, settled or not: the other side has survived it. After a break it may have to be
sent again, before the suspects.

A break that is not theirs (silence, a stall, our own end) blames nobody: a network that fails three times is no reason
to bounce a stanza. Each end that was nobody's fault makes it one break more before a stanza is blamed, up to
MOST_BREAKS, because what fails again and again will at times do so with the same stanza in flight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

MOST = 64
BREAKS = 3
MOST_BREAKS = 6
FEW = 8


class Break(Enum):
    """The side that ended a stream with kept stanzas in flight."""

    THEIRS = auto()  # a stream error, an unsolicited closing tag, or a connection that was closed or reset
    OTHER = auto()  # silence, a stall, an end from our side


@dataclass(frozen=True, kw_only=True)
class Suspects:
    """The stanzas that had not been read at each of the last breaks, oldest first, and the number of these breaks."""

    numbers: tuple[int, ...]
    breaks: int
    was_alone: bool  # one of them was in flight alone at the last break

    @property
    def at_a_time(self) -> int:
        """Return how many may be in flight together, so that few breaks and few round trips find one of them."""
        return FEW if self.breaks == 1 else 1


@dataclass(frozen=True, kw_only=True)
class Window:
    """The number of stanzas that may be in flight; `step` is None while the window is open."""

    step: int | None = None
    got: int = 0  # the number read since the last step
    suspects: Suspects | None = None
    unexplained: int = 0  # the ends that were nobody's fault

    def room(self, in_flight: int, head: int | None) -> int:
        """Return how many more may be sent; `head` is the number of the first of them, 0 or None if it is unknown."""
        most = MOST if self.step is None else self.step
        suspects = self.suspects
        if suspects is not None and not (head and head < suspects.numbers[0]):
            most = min(most, suspects.at_a_time)
        return max(0, most - in_flight)

    def read(self, count: int, upto: int) -> Window:
        """Return the window after the other side has read this many more, the last of them with this number."""
        if self.step is None:
            return self
        suspects = self.suspects
        window = self._unfounded() if suspects is not None and upto >= suspects.numbers[-1] else self
        if self.got + count < self.step:
            return replace(window, got=self.got + count)
        if self.step < MOST:
            return replace(window, got=0, step=self.step * 2)
        return replace(window, got=0, step=None if window.suspects is None else MOST)

    def broke(self, made: Break, unread: Sequence[int]) -> Window:
        """Return the window after the stream broke with these in flight and not known to be read, oldest first."""
        window = replace(self, step=1, got=0)
        before = self.suspects
        if made is Break.OTHER:
            return window
        unread = unread[:MOST]  # more are in flight only where nothing but time settles them
        both = tuple(sorted({*unread} & {*before.numbers})) if before is not None else ()
        if before is not None and not both:
            window = window._unfounded()
        if not unread:
            return window
        breaks = before.breaks + 1 if before is not None and both else 1
        suspects = Suspects(numbers=both or tuple(unread), breaks=breaks, was_alone=len(unread) == 1)
        return replace(window, suspects=suspects)

    def _unfounded(self) -> Window:
        return replace(self, suspects=None, unexplained=self.unexplained + 1)

    @property
    def blamed(self) -> int | None:
        """Return the number of the stanza to bounce and set aside, if there is one."""
        suspects = self.suspects
        needed = min(BREAKS + self.unexplained, MOST_BREAKS)
        if suspects is None or suspects.breaks < needed or not suspects.was_alone:
            return None
        return suspects.numbers[0]

    def acquitted(self) -> Window:
        """Return the window after the blamed stanza was set aside: the next one goes out alone, too."""
        return replace(self, step=1, got=0, suspects=None)
