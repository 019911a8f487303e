"""The sending window: how many kept stanzas are in flight, and which one makes a peer fail.

At most MOST stanzas of a pair are in flight, so that a crash of the gateway, after which they are sent again, doubles
no more than these. After a stream broke, one stanza goes out alone; when the other side has read as many as may be in
flight, the window takes twice as many, up to MOST, and is open again when those have been read too.

    step          that many were read    the stream broke
    OPEN          OPEN                   1
    1, 2 .. 32    the double             1
    MOST (64)     OPEN                   1

The stanzas in flight when the other side ends a stream are the suspects. After the second break in a row over some of
them, these are sent one by one, each when the one before is settled. When the third break finds one suspect alone in
flight, that one is to blame. So a stanza over which the other side dies costs it three streams.

    in flight at the break       made by them                              made otherwise
    none                         no suspects                               the suspects as before
    some of the suspects         these are suspects, one break more;       the suspects as before
                                 the third, with one alone: blamed
    none of the suspects         all of it is suspect, one break           the suspects as before

A break that is not theirs (silence, a stall, our own end) blames nobody: a network that fails three times is no reason
to bounce a stanza.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

MOST = 64
BREAKS = 3


class Break(Enum):
    """The side that ended a stream with kept stanzas in flight."""

    THEIRS = auto()  # a stream error, an unsolicited closing tag, or a connection that was closed or reset
    OTHER = auto()  # silence, a stall, an end from our side


@dataclass(frozen=True, kw_only=True)
class Suspects:
    """The stanzas in flight at each of the last breaks, oldest first, and the number of these breaks."""

    numbers: tuple[int, ...]
    breaks: int
    was_alone: bool  # one of them was in flight alone at the last break


@dataclass(frozen=True, kw_only=True)
class Window:
    """The number of stanzas that may be in flight; `step` is None while the window is open."""

    step: int | None = None
    got: int = 0  # the number read since the last step
    suspects: Suspects | None = None

    @property
    def is_strict(self) -> bool:
        """Return whether the next one may go out only when the one before is settled."""
        return self.suspects is not None and self.suspects.breaks > 1

    def room(self, in_flight: int) -> int:
        """Return how many more may be sent."""
        return max(0, (MOST if self.step is None else self.step) - in_flight)

    def read(self, count: int) -> Window:
        """Return the window after the other side has read this many more."""
        if self.step is None or self.is_strict:
            return self
        if self.got + count < self.step:
            return replace(self, got=self.got + count)
        return Window(step=self.step * 2 if self.step < MOST else None, suspects=self.suspects)

    def settled(self, upto: int) -> Window:
        """Return the window after everything up to this number was settled, and is no longer suspect."""
        if self.suspects is None or upto < self.suspects.numbers[0]:
            return self
        return self.cleared([number for number in self.suspects.numbers if number <= upto])

    def cleared(self, numbers: Collection[int]) -> Window:
        """Return the window after these have had their end: they are suspected no longer."""
        if self.suspects is None:
            return self
        left = tuple([number for number in self.suspects.numbers if number not in numbers])
        if not left:
            return replace(self, suspects=None)
        return replace(self, suspects=replace(self.suspects, numbers=left, was_alone=False))

    def broke(self, made: Break, in_flight: Sequence[int]) -> Window:
        """Return the window after the stream broke with these in flight, oldest first."""
        return Window(step=1, suspects=self._suspected(made, in_flight))

    def _suspected(self, made: Break, in_flight: Sequence[int]) -> Suspects | None:
        before = self.suspects
        if made is Break.OTHER:
            return before
        if not in_flight:
            return None
        numbers = tuple(in_flight[:MOST])  # more are in flight only where nothing but time settles them
        both = set(numbers).intersection(before.numbers) if before is not None else ()
        if before is None or not both:
            return Suspects(numbers=numbers, breaks=1, was_alone=len(in_flight) == 1)
        numbers = tuple([number for number in numbers if number in both])
        return Suspects(numbers=numbers, breaks=before.breaks + 1, was_alone=len(in_flight) == 1)

    @property
    def blamed(self) -> int | None:
        """Return the number of the stanza to bounce and set aside, if there is one."""
        suspects = self.suspects
        if suspects is None or suspects.breaks < BREAKS or not suspects.was_alone:
            return None
        return suspects.numbers[0]

    def acquitted(self) -> Window:
        """Return the window after the blamed stanza was set aside: the next one goes out alone, too."""
        return Window(step=1)
