"""Turns: long work in many short steps, between which the event loop does everything else.

What grows with the number of streams, as a list of all of them, would hold up every stanza if it were made at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Cooperator

T = TypeVar("T")


class Turns:
    """Does work as long as a turn lasts, a hundredth of a second, and goes on in the next one."""

    def __init__(self, clock: IReactorTime) -> None:
        """`clock` is an IReactorTime, in whose iterations the turns are."""
        self._cooperator = Cooperator(scheduler=lambda turn: clock.callLater(0, turn))

    def gather(self, items: Iterable[T]) -> Deferred[list[T]]:
        """All that an iterable yields, each item a step; fires with the list."""
        gathered: list[T] = []

        def steps() -> Iterator[None]:
            for item in items:
                gathered.append(item)
                yield

        return self._cooperator.coiterate(steps()).addCallback(lambda _: gathered)
