"""The sending window: how many kept stanzas are in flight after a stream broke, and which one makes a peer fail.

While nothing breaks the window is open, and there is no bound but that of the stream. After a break one stanza goes out
alone; when everything in flight is settled the window takes twice as many, up to MOST, and opens when those are settled
too. So a break puts few stanzas in doubt when breaks follow each other, and a stanza over which the other side dies is
soon alone in flight. Three breaks in a row over the same one, all made by the other side and the last one with nothing
else in flight, and it is to blame.

    step          all in flight settled     the stream broke
    OPEN          OPEN                      1
    1, 2 .. 32    the double                1
    MOST (64)     OPEN                      1

    oldest in flight at the break    made by them                       made otherwise
    none                             no suspect                         the suspect as before
    the suspect                      one break more; the third,         the suspect as before
                                     with it alone in flight: blamed
    another one                      that is the suspect, one break     the suspect as before

A break that is not theirs (silence, a stall, our own end) blames nobody: a network that fails three times is no reason
to bounce a stanza.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

MOST = 64
BREAKS = 3


class Break(Enum):
    """The side that ended a stream with kept stanzas in flight."""

    THEIRS = auto()  # a stream error, a closing tag that was not asked for, or a connection that was closed or reset
    OTHER = auto()  # silence, a stall, an end of ours


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """The oldest stanza in flight when the other side last ended the stream, and how often in a row it was that."""

    number: int
    breaks: int
    was_alone: bool  # the last time


@dataclass(frozen=True, kw_only=True)
class Window:
    """How many may be in flight; `step` is None while the window is open."""

    step: int | None = None
    suspect: Suspect | None = None

    def room(self, in_flight: int) -> int | None:
        """Return how many more may be sent; None: as many as the stream takes."""
        return None if self.step is None else max(0, self.step - in_flight)

    def settled(self) -> Window:
        """Return the window after everything in flight was settled: whoever was suspected has arrived."""
        if self.step is None:
            return self
        return Window(step=self.step * 2 if self.step < MOST else None)

    def broke(self, made: Break, in_flight: Sequence[int]) -> Window:
        """Return the window after the stream broke with these in flight, oldest first."""
        return Window(step=1, suspect=self._suspected(made, in_flight))

    def _suspected(self, made: Break, in_flight: Sequence[int]) -> Suspect | None:
        if made is Break.OTHER:
            return self.suspect
        if not in_flight:
            return None
        oldest = in_flight[0]
        before = self.suspect.breaks if self.suspect is not None and self.suspect.number == oldest else 0
        return Suspect(number=oldest, breaks=before + 1, was_alone=len(in_flight) == 1)

    @property
    def blamed(self) -> int | None:
        """Return the number of the stanza that is to be bounced and set aside, if there is one."""
        suspect = self.suspect
        return suspect.number if suspect is not None and suspect.breaks >= BREAKS and suspect.was_alone else None

    def acquitted(self) -> Window:
        """Return the window after the blamed stanza was set aside: the next one goes out alone, too."""
        return Window(step=1)
