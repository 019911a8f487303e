"""The life of a component's connection, as one table.

A connection is outside until it is given its domain, which requires the secret, and perhaps the end of another
connection. From then on it speaks for the domain. It is asked for a sign of life when another connection that knows the
secret wants the domain; until the answer has come, its stanzas are searched for it, because that answer is for nobody
else. A connection that was silent for too long is replaced, and one whose secret no longer counts is disowned: nothing
that these still send is accepted.

Closing the stream changes nothing here: stanzas that were already on their way are still from the domain.
"""

from __future__ import annotations

from enum import StrEnum


class Life(StrEnum):
    """The states of a component's connection."""

    OUTSIDE = "outside"
    ATTACHED = "attached"
    ASKED = "asked for a sign of life"
    REPLACED = "replaced"
    DISOWNED = "disowned"
    GONE = "gone"


class Move(StrEnum):
    """The moves from one state to another."""

    ACCEPT = "the gift of the domain"
    ASK = "a question for a sign of life"
    ANSWER = "the answer to that question"
    REPLACE = "another connection in its place"
    DISOWN = "the end of its secret, or of the domain"
    LOSE = "the loss of the connection"


SPEAKING = (Life.ATTACHED, Life.ASKED)
"""The states in which a connection speaks for its domain."""

TRANSITIONS: dict[Life, dict[Move, Life]] = {
    Life.OUTSIDE: {
        Move.ACCEPT: Life.ATTACHED,
        Move.DISOWN: Life.DISOWNED,
        Move.LOSE: Life.GONE,
    },
    Life.ATTACHED: {
        Move.ASK: Life.ASKED,
        Move.REPLACE: Life.REPLACED,
        Move.DISOWN: Life.DISOWNED,
        Move.LOSE: Life.GONE,
    },
    Life.ASKED: {
        Move.ASK: Life.ASKED,
        Move.ANSWER: Life.ATTACHED,
        Move.REPLACE: Life.REPLACED,
        Move.DISOWN: Life.DISOWNED,
        Move.LOSE: Life.GONE,
    },
    Life.REPLACED: {
        Move.DISOWN: Life.DISOWNED,
        Move.LOSE: Life.GONE,
    },
    Life.DISOWNED: {
        Move.DISOWN: Life.DISOWNED,
        Move.LOSE: Life.GONE,
    },
    Life.GONE: {},
}
