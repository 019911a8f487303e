"""The life of the handlers of one domain, as one table.

They are started once everything around them is ready, and stopped at reload, removal and shutdown. Both may take time:
until a start has ended, and from the beginning of a stop, no stanza is given to them. Handlers that were stopped may be
started again, as a reload does when their replacement fails.
"""

from __future__ import annotations

from enum import StrEnum


class Life(StrEnum):
    """The states of a domain's handlers."""

    NEW = "new"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Move(StrEnum):
    """The moves from one state to another."""

    START = "the call of start"
    READY = "the end of start"
    STOP = "the call of stop, or a start that failed"
    END = "the end of stop"


TRANSITIONS: dict[Life, dict[Move, Life]] = {
    Life.NEW: {Move.START: Life.STARTING, Move.STOP: Life.STOPPING},
    Life.STARTING: {Move.READY: Life.RUNNING, Move.STOP: Life.STOPPING},
    Life.RUNNING: {Move.STOP: Life.STOPPING},
    Life.STOPPING: {Move.END: Life.STOPPED},
    Life.STOPPED: {Move.START: Life.STARTING},
}
