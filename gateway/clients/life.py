"""The lives of a client: that of each of its connections, and that of its resource, as one table each.

A connection negotiates until it owns a client: one that it has bound, or one that it has resumed (XEP-0198 §5). It is
closed when either side has closed the stream properly: then its client ends with it. A stream that we give up for dead
is not closed in this sense, because its client may not know, and may come back.

A resource is bound, and ends with its connection unless it can be resumed. It is closing once we want it to end: later
stanzas from it are not accepted. It has ended when its domain has got back everything that it never received.
"""

from __future__ import annotations

from enum import StrEnum


class SessionLife(StrEnum):
    """The states of a connection, by what its end means to its client."""

    NEGOTIATING = "negotiating"
    ONLINE = "online"
    CLOSED = "closed"
    GONE = "gone"


class SessionMove(StrEnum):
    """The moves from one state to another."""

    OWN = "its own client"
    CLOSE = "an orderly end of the stream"
    GIVE_UP = "an end without a sign of life"
    LOSE = "the loss of the connection"


SESSIONS: dict[SessionLife, dict[SessionMove, SessionLife]] = {
    SessionLife.NEGOTIATING: {
        SessionMove.OWN: SessionLife.ONLINE,
        SessionMove.CLOSE: SessionLife.CLOSED,
        SessionMove.GIVE_UP: SessionLife.NEGOTIATING,
        SessionMove.LOSE: SessionLife.GONE,
    },
    SessionLife.ONLINE: {
        SessionMove.CLOSE: SessionLife.CLOSED,
        SessionMove.GIVE_UP: SessionLife.ONLINE,
        SessionMove.LOSE: SessionLife.GONE,
    },
    SessionLife.CLOSED: {
        SessionMove.OWN: SessionLife.CLOSED,  # a parked client that was about to be resumed
        SessionMove.CLOSE: SessionLife.CLOSED,  # by the other side, too
        SessionMove.GIVE_UP: SessionLife.CLOSED,
        SessionMove.LOSE: SessionLife.GONE,
    },
    SessionLife.GONE: {},
}


class Life(StrEnum):
    """The states of a resource."""

    BOUND = "bound"
    RESUMABLE = "resumable"
    CLOSING = "closing"
    ENDED = "ended"


class Move(StrEnum):
    """The moves from one state to another."""

    GRANT = "the promise that it can be resumed"
    CLOSE = "our wish that it ends"
    END = "its end"


RESOURCES: dict[Life, dict[Move, Life]] = {
    Life.BOUND: {
        Move.GRANT: Life.RESUMABLE,
        Move.CLOSE: Life.CLOSING,
        Move.END: Life.ENDED,
    },
    Life.RESUMABLE: {
        Move.CLOSE: Life.CLOSING,
        Move.END: Life.ENDED,
    },
    Life.CLOSING: {
        Move.GRANT: Life.CLOSING,
        Move.CLOSE: Life.CLOSING,
        Move.END: Life.ENDED,
    },
    Life.ENDED: {
        Move.GRANT: Life.ENDED,
        Move.CLOSE: Life.ENDED,
        Move.END: Life.ENDED,
    },
}
