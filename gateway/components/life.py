"""The life of a component's connection, as one table.

A connection is outside until it has been given its domain, which takes the secret, and may take the end of another
connection. It speaks for the domain from then on. It is asked for a sign of life when another connection that knows the
secret wants the domain; until its answer has come, that answer is looked for among its stanzas, since it is for nobody
else. A connection that was silent for too long is replaced, and what it still says is not taken.

A stream that is closed changes nothing here: what was on its way is still said for the domain.
"""

from __future__ import annotations

from enum import StrEnum


class Life(StrEnum):
    """What a connection may say."""

    OUTSIDE = "outside"
    ATTACHED = "attached"
    ASKED = "asked for a sign of life"
    REPLACED = "replaced"
    GONE = "gone"


class Move(StrEnum):
    """What takes a connection from one state to another."""

    ACCEPT = "the gift of the domain"
    ASK = "a question for a sign of life"
    ANSWER = "the answer to that question"
    REPLACE = "another connection in its place"
    LOSE = "the loss of the connection"


SPEAKING = (Life.ATTACHED, Life.ASKED)
"""In which a connection speaks for its domain."""

TRANSITIONS: dict[Life, dict[Move, Life]] = {
    Life.OUTSIDE: {
        Move.ACCEPT: Life.ATTACHED,
        Move.LOSE: Life.GONE,
    },
    Life.ATTACHED: {
        Move.ASK: Life.ASKED,
        Move.REPLACE: Life.REPLACED,
        Move.LOSE: Life.GONE,
    },
    Life.ASKED: {
        Move.ASK: Life.ASKED,
        Move.ANSWER: Life.ATTACHED,
        Move.REPLACE: Life.REPLACED,
        Move.LOSE: Life.GONE,
    },
    Life.REPLACED: {
        Move.LOSE: Life.GONE,
    },
    Life.GONE: {},
}
