"""This node's membership: a table of states, and a lease that it measures by its own clock.

The node rewrites its entry every RENEW_SECONDS. Others count it as gone when they have seen no new entry for
LEASE_SECONDS. The node itself stops owning anything MARGIN_SECONDS earlier, counted from the moment before it *asked*
for the last write that succeeded. That moment is before any other node saw the entry, so the owner has always stopped
before somebody else takes over, as long as the two clocks run equally fast within a fifth. The clocks need not agree
about the time.

A process that was stopped for a while finds its lease over by its own clock before it does anything with it, and joins
again in a new epoch: what it owned before is void, whatever the others have done meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from gateway.xmpp.errors import Misuse

LEASE_SECONDS = 10.0
RENEW_SECONDS = 3.0
MARGIN_SECONDS = 2.0


class Life(StrEnum):
    """The states of this node's membership."""

    OUTSIDE = "not a member"
    JOINING = "joining"
    MEMBER = "a member"
    LAPSED = "cut off"
    REPLACED = "replaced by another process of its name"
    LEFT = "left"


class Move(StrEnum):
    """The moves from one state to another."""

    JOIN = "the first write of its entry"
    HOLD = "the success of a write"
    LAPSE = "the end of its lease"
    REPLACE = "an entry of another process under its name"
    LEAVE = "its goodbye"


TRANSITIONS: Mapping[Life, Mapping[Move, Life]] = {
    Life.OUTSIDE: {Move.JOIN: Life.JOINING, Move.LEAVE: Life.LEFT},
    Life.JOINING: {
        Move.HOLD: Life.MEMBER,
        Move.LAPSE: Life.LAPSED,
        Move.REPLACE: Life.REPLACED,
        Move.LEAVE: Life.LEFT,
    },
    Life.MEMBER: {
        Move.HOLD: Life.MEMBER,
        Move.LAPSE: Life.LAPSED,
        Move.REPLACE: Life.REPLACED,
        Move.LEAVE: Life.LEFT,
    },
    Life.LAPSED: {Move.JOIN: Life.JOINING, Move.LEAVE: Life.LEFT},
    Life.REPLACED: {Move.LEAVE: Life.LEFT},
    Life.LEFT: {},
}


class OwnLease:
    """The lease of this node. All times are seconds of its own clock."""

    def __init__(self) -> None:
        self.life = Life.OUTSIDE
        self.epoch = 0  # of the present membership; 0: none
        self.until = float("-inf")

    def holds(self, now: float) -> bool:
        """Return whether this node may act as the owner of its shards."""
        return self.life is Life.MEMBER and now < self.until

    def join(self) -> None:
        """Note that the first entry of a new membership is being written."""
        self._move(Move.JOIN)
        self.epoch = 0

    def written(self, revision: int, asked_at: float) -> None:
        """Note that the entry was written, as was asked at `asked_at`."""
        if self.life is Life.JOINING:
            self.epoch = revision
        self._move(Move.HOLD)
        self.until = asked_at + LEASE_SECONDS - MARGIN_SECONDS

    def lapse(self) -> None:
        """Note that the membership has ended without a goodbye."""
        self._move(Move.LAPSE)
        self.epoch = 0

    def lapse_when_due(self, now: float) -> bool:
        """End the membership if its time is up; return whether this has ended it."""
        if self.life is not Life.MEMBER or now < self.until:
            return False
        self.lapse()
        return True

    def replaced(self) -> None:
        """Note that another process has taken this node's name."""
        self._move(Move.REPLACE)
        self.epoch = 0

    def leave(self) -> None:
        """Note that the node has said goodbye."""
        self._move(Move.LEAVE)
        self.epoch = 0

    def _move(self, move: Move) -> None:
        cells = TRANSITIONS[self.life]
        if move not in cells:
            raise Misuse(f"{move} cannot happen to a node that is {self.life}")
        self.life = cells[move]
