"""The states of TLS on one connection, as one table (RFC 8446 §6.1).

A handshake comes first. From then on each direction ends by itself: the other side may have said that it sends nothing
more, so may we, and after both TLS has ended. A failure ends both directions at once. Where TLS ends before the
handshake is complete, nothing has been secured, and nothing was ever read.

| state | we read | we send |
|---|---|---|
| HANDSHAKE | only the handshake | later, what is written now |
| BROKEN_OFF | no | no |
| OPEN | yes | yes |
| THEY_ENDED | no | yes |
| WE_ENDED | yes | no |
| ENDED | no | no |

OpenSSL sends no close_notify in the middle of a handshake, so a handshake that we no longer want fails.
"""

from __future__ import annotations

from enum import StrEnum


class TLSState(StrEnum):
    """The states, each by what may still pass."""

    HANDSHAKE = "handshake"
    BROKEN_OFF = "broken off"
    OPEN = "open"
    THEY_ENDED = "ended by them"
    WE_ENDED = "ended by us"
    ENDED = "ended"


class TLSMove(StrEnum):
    """The moves from one state to another."""

    COMPLETE = "the end of the handshake"
    THEY_END = "their close_notify"
    WE_END = "our close_notify"
    FAIL = "a failure, or the end of TCP"


TRANSITIONS: dict[TLSState, dict[TLSMove, TLSState]] = {
    TLSState.HANDSHAKE: {
        TLSMove.COMPLETE: TLSState.OPEN,
        TLSMove.FAIL: TLSState.BROKEN_OFF,
    },
    TLSState.BROKEN_OFF: {
        TLSMove.FAIL: TLSState.BROKEN_OFF,
    },
    TLSState.OPEN: {
        TLSMove.THEY_END: TLSState.THEY_ENDED,
        TLSMove.WE_END: TLSState.WE_ENDED,
        TLSMove.FAIL: TLSState.ENDED,
    },
    TLSState.THEY_ENDED: {
        TLSMove.WE_END: TLSState.ENDED,
        TLSMove.FAIL: TLSState.ENDED,
    },
    TLSState.WE_ENDED: {
        TLSMove.THEY_END: TLSState.ENDED,
        TLSMove.FAIL: TLSState.ENDED,
    },
    TLSState.ENDED: {
        TLSMove.THEY_END: TLSState.ENDED,  # behind what could not be answered
        TLSMove.FAIL: TLSState.ENDED,
    },
}
