"""The life of a connection, as one table.

A connection negotiates from its first byte until stanzas may pass, and is open from then on. When the other side closes
its stream, ours stays open until its requests are answered (RFC 6120 §4.4). Once our closing tag has been sent, the
other side has some seconds for its own. Then TCP is ended: everything written is still sent, if it is read in time.

A state has at most one timer, which runs until the state is left: what the state waits for must happen before it fires.

| state | waits for | for | otherwise |
|---|---|---|---|
| NEGOTIATING | the end of the negotiation | `negotiate` | the stream is closed with `connection-timeout` (§4.9.3.4) |
| OPEN | stanzas, in either direction | the terms' `idle_seconds` | an idle stream is closed (§4.6.3) |
| ANSWERING | the last answers | `close` | the stream is closed without them |
| CLOSE_SENT | their closing tag | `close` | TCP is ended |
| ENDING | the end of TCP | `close` | the connection is cut |
| LOST | nothing | | |

A stream can be closed after TCP was told to end, because bytes that had arrived are still read. Orders that come from
elsewhere, a store or another server, may find the connection lost: then they change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Life(StrEnum):
    """The states, each by what a connection waits for."""

    NEGOTIATING = "negotiating"
    OPEN = "open"
    ANSWERING = "answering"
    CLOSE_SENT = "waiting for their closing tag"
    ENDING = "ending"
    LOST = "lost"


class Move(StrEnum):
    """The moves from one state to another."""

    ESTABLISH = "the end of the negotiation"
    ANSWER = "their closing tag, before the last answers"
    CLOSE = "our closing tag"
    END = "the end of what we send"
    LOSE = "the loss of the connection"


TRANSITIONS: dict[Life, dict[Move, Life]] = {
    Life.NEGOTIATING: {
        Move.ESTABLISH: Life.OPEN,
        Move.CLOSE: Life.CLOSE_SENT,
        Move.END: Life.ENDING,
        Move.LOSE: Life.LOST,
    },
    Life.OPEN: {
        Move.ANSWER: Life.ANSWERING,
        Move.CLOSE: Life.CLOSE_SENT,
        Move.END: Life.ENDING,
        Move.LOSE: Life.LOST,
    },
    Life.ANSWERING: {
        Move.CLOSE: Life.CLOSE_SENT,
        Move.END: Life.ENDING,
        Move.LOSE: Life.LOST,
    },
    Life.CLOSE_SENT: {
        Move.END: Life.ENDING,
        Move.LOSE: Life.LOST,
    },
    Life.ENDING: {
        Move.CLOSE: Life.ENDING,
        Move.END: Life.ENDING,
        Move.LOSE: Life.LOST,
    },
    Life.LOST: {
        Move.END: Life.LOST,
    },
}


@dataclass(frozen=True, kw_only=True)
class Timing:
    """How long a connection waits in its states, and for the other side, in seconds; 0 means endless where that makes
    sense. They are settings: `[limits]`, in `config.settings`.
    """

    negotiate: float
    close: float
    stall: float  # for the other side to read anything (`stalling`)
    silence: float  # until the system gives up; longer than `stall`, which begins later (`user_timeout`)
