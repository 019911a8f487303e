"""The life of a session between servers, as one table.

A session hears what the other server sends until our side of the stream is closed. Then it says how much it has handled
(XEP-0198) and becomes deaf: later stanzas are not acknowledged, and will be sent again on another stream. A stream that
the other server has resumed on another connection is superseded: its users are notified then, and not again when its
own connection is lost.

How the stream ended, and whose fault that was, is not a state: the connection says so when it is gone (`Ending`).
"""

from __future__ import annotations

from enum import StrEnum


class Life(StrEnum):
    """The states, by what happens to incoming stanzas, and to the users of the stream when it ends."""

    HEARING = "hearing"
    DEAF = "deaf"
    SUPERSEDED = "superseded"
    GONE = "gone"


class Move(StrEnum):
    """The moves from one state to another."""

    LAST_WORD = "our last acknowledgement"
    SUPERSEDE = "a resumption on another connection"
    LOSE = "the loss of the connection"


TRANSITIONS: dict[Life, dict[Move, Life]] = {
    Life.HEARING: {
        Move.LAST_WORD: Life.DEAF,
        Move.SUPERSEDE: Life.SUPERSEDED,
        Move.LOSE: Life.GONE,
    },
    Life.DEAF: {
        Move.SUPERSEDE: Life.SUPERSEDED,
        Move.LOSE: Life.GONE,
    },
    Life.SUPERSEDED: {
        Move.LAST_WORD: Life.SUPERSEDED,
        Move.LOSE: Life.GONE,
    },
    Life.GONE: {},
}
