"""Tables of states, drawn: rows are states, columns are moves, '-' is a cell that is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any


def drawn(table: Mapping[Any, Mapping[Any, StrEnum]], moves: Sequence[StrEnum]) -> list[str]:
    """Return the table in words, one row for each state."""
    return [
        " ".join([_word(state), *(_word(cells[move]) if move in cells else "-" for move in moves)])
        for state, cells in table.items()
    ]


def rows(diagram: str) -> list[str]:
    """Return the rows of a diagram, without its headings."""
    return [" ".join(line.split()) for line in diagram.strip().splitlines()[1:]]


def _word(state: StrEnum) -> str:
    return state.name.lower()
