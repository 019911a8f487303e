"""The life of a session between servers, as one table.

A session hears what the other server sends until our side of the stream is closed: then it says how much it has handled
(XEP-0198), and is deaf, since what comes behind that is not acknowledged and will be sent again on another stream. A
stream that the other server has resumed on another connection is superseded: its users have been told of its end when
that happens, and the loss of its own connection tells them nothing more.

How the stream ended, and whose fault that was, is no state: the connection says so when it is gone (`Ending`).
"""

from __future__ import annotations

from enum import StrEnum


class Life(StrEnum):
    """What becomes of the stanzas that come, and of the users of the stream when it ends."""

    HEARING = "hearing"
    DEAF = "deaf"
    SUPERSEDED = "superseded"
    GONE = "gone"


class Move(StrEnum):
    """What takes a session from one state to another."""

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
