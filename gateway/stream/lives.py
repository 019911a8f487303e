"""Lives: the common part of the state tables of connections and sessions.

Each consists of an enum of states, an enum of moves, and a table that says where each move leads. A move that changes
nothing has a cell that says so. A move without a cell is one of our bugs and is never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from gateway.xmpp.errors import Misuse

StateT = TypeVar("StateT", bound=StrEnum)
MoveT = TypeVar("MoveT", bound=StrEnum)


def after(table: Mapping[StateT, Mapping[MoveT, StateT]], state: StateT, move: MoveT) -> StateT:
    """Return the state that a move leads to; raise Misuse if the table has no cell for it."""
    try:
        return table[state][move]
    except KeyError:
        raise Misuse(f"{move} cannot happen while {state}") from None
