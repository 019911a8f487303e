"""The states of a codec, as one table: what it looks for in the bytes that it is fed.

First there must be the root tag of the stream, then come its children, up to its closing tag. Behind a fault nothing
can be read, and each `take` raises the fault again. After `discard` only the closing tag matters, unless a fault came
first, because behind that no closing tag can be recognised.

A fault that has been found but not reached by `take` is no state: everything before it is still returned.
"""

from __future__ import annotations

from enum import StrEnum


class CodecState(StrEnum):
    """The states, each by what is looked for."""

    ROOT = "the root tag"
    CHILDREN = "the children of the root"
    CLOSING_TAG = "only the closing tag"
    FAULTY = "nothing, behind a fault"
    ENDED = "nothing, behind the closing tag"


class CodecMove(StrEnum):
    """The moves from one state to another."""

    BEGIN = "the root tag"
    DISCARD = "a call of discard"
    RAISE = "a fault that is raised"
    END = "the closing tag"


TRANSITIONS: dict[CodecState, dict[CodecMove, CodecState]] = {
    CodecState.ROOT: {
        CodecMove.BEGIN: CodecState.CHILDREN,
        CodecMove.DISCARD: CodecState.CLOSING_TAG,
        CodecMove.RAISE: CodecState.FAULTY,
    },
    CodecState.CHILDREN: {
        CodecMove.DISCARD: CodecState.CLOSING_TAG,
        CodecMove.RAISE: CodecState.FAULTY,
        CodecMove.END: CodecState.ENDED,
    },
    CodecState.CLOSING_TAG: {
        CodecMove.DISCARD: CodecState.CLOSING_TAG,
        CodecMove.END: CodecState.ENDED,
    },
    CodecState.FAULTY: {
        CodecMove.DISCARD: CodecState.FAULTY,
    },
    CodecState.ENDED: {
        CodecMove.DISCARD: CodecState.ENDED,
    },
}
