"""Disposition: what happens to a stanza on a route now."""

from __future__ import annotations

from enum import Enum


class Disposition(Enum):
    """What happens to a stanza now; the last two occur only in routes with an outbox."""

    IDLE = "idle"
    QUEUEING = "queueing"
    SENDING = "sending"
    WAITING = "waiting"
    CATCHING_UP = "catching up"
