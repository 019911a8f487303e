"""Turns: long work in many short steps, between which the event loop does everything else.

Work that grows with the number of streams, such as listing them, would hold up every stanza if it were done at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

T = TypeVar("T")


class Turns:
    """Works for one turn, a hundredth of a second, and continues in the next one."""

    def __init__(self, clock: IReactorTime) -> None:
        """`clock` is an IReactorTime, in whose iterations the turns run."""
        self._cooperator = Cooperator(scheduler=lambda turn: clock.callLater(0, turn))

    def gather(self, items: Iterable[T]) -> Deferred[list[T]]:
        """Collect everything that an iterable yields, one step for each item; fire with the list."""
        gathered: list[T] = []

        def steps() -> Iterator[None]:
            for item in items:
                gathered.append(item)
                yield

        return self._cooperator.coiterate(steps()).addCallback(lambda _: gathered)
