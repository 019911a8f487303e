"""The screen that a command writes on: how wide it is, and whether it shows colours.

Colours are shown on a terminal only, and not if NO_COLOR is set (https://no-color.org) or TERM is `dumb`. Output
that does not go to a terminal is 80 columns wide, unless COLUMNS says otherwise.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from textwrap import wrap
from typing import IO

from gateway.operations.log import harmless

LEAST_WIDTH = 60
USUAL_WIDTH = 80


class Tint(StrEnum):
    """What a colour says; each value is an SGR parameter of ECMA-48."""

    BAD = "31"
    DOUBTFUL = "33"
    GOOD = "32"
    FAINT = "2"
    TITLE = "1"


@dataclass(frozen=True, kw_only=True)
class Screen:
    """A screen of `width` columns."""

    width: int = USUAL_WIDTH
    has_colour: bool = False

    @classmethod
    def of(cls, out: IO[str], environment: Mapping[str, str] = os.environ) -> Screen:
        """Return the screen behind a stream."""
        columns = shutil.get_terminal_size((USUAL_WIDTH, 24)).columns
        is_plain = bool(environment.get("NO_COLOR")) or environment.get("TERM") == "dumb"
        return cls(width=max(LEAST_WIDTH, columns), has_colour=out.isatty() and not is_plain)

    def tinted(self, text: str, tint: Tint | None) -> str:
        """Return text in a colour, if the screen has any."""
        return f"\x1b[{tint.value}m{text}\x1b[0m" if self.has_colour and tint is not None and text else text

    def folded(self, text: str, *, first: str = "", rest: str = "", tint: Tint | None = None) -> Iterator[str]:
        """Yield text as lines that fit, the first one after `first` and the others after `rest`."""
        lines = wrap(harmless(text), self.width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
        yield from (self.tinted(line, tint) for line in lines or [first.rstrip()])
