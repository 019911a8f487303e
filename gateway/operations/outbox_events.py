"""Outbox events: the latest notices about stanzas that wait, for the page; bounded, with a share for each domain."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import NamedTuple

from gateway.bounds.tables import Bounded, family
from gateway.notices.notices import MaybeLost, Notice, OutboxChanged, SentAgain, TakenForDelivered, TooMuch

MOST_EVENTS = 50


class OutboxEvent(NamedTuple):
    """A notice, and when it came, in seconds since 1970."""

    time: float
    sentence: str


class OutboxEvents:
    """The latest notices about stanzas that wait."""

    KINDS = (OutboxChanged, SentAgain, MaybeLost, TakenForDelivered, TooMuch)

    def __init__(self, time_of_day: Callable[[], float]) -> None:
        self._time_of_day = time_of_day
        self._numbers = count()
        self._events: Bounded[int, OutboxEvent] = Bounded(MOST_EVENTS)

    def notice(self, notice: Notice) -> None:
        """Remember a notice."""
        self._events.put(
            next(self._numbers), OutboxEvent(self._time_of_day(), notice.sentence), cause=family(notice.cause)
        )

    def latest(self, most: int) -> list[OutboxEvent]:
        """Return the last events, the latest first."""
        return list(self._events.values())[: -most - 1 : -1]
