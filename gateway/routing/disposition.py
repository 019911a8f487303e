"""Disposition: what becomes of a stanza on a route now."""

from __future__ import annotations

from enum import Enum


class Disposition(Enum):
    """What becomes of a stanza now; the last two are of routes with an outbox alone."""

    IDLE = "idle"
    QUEUEING = "queueing"
    SENDING = "sending"
    WAITING = "waiting"
    CATCHING_UP = "catching up"
