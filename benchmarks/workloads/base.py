"""The base of workloads: set up for one server, warmed up once, done once a round."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from benchmarks.arena import Arena, Subject
from benchmarks.figures import Figure
from benchmarks.load.remote import Answer, Remote

MICRO = 1e6
LOAD = Figure(key="load", title="busiest load process", unit="% of a processor")
BUSY = Figure(key="busy", title="the server", unit="% of a processor")


@dataclass(frozen=True, kw_only=True)
class Effort:
    """The cost of one piece of work: wall time, and processor time of the server and of the busiest load process."""

    seconds: float
    cpu_seconds: float
    load_seconds: float

    def shares(self) -> dict[str, float]:
        """Return how busy the server and the load were, in per cent of a processor."""
        return {BUSY.key: 100 * self.cpu_seconds / self.seconds, LOAD.key: 100 * self.load_seconds / self.seconds}


class Workload(ABC):
    """One kind of work, set up for one server."""

    key: ClassVar[str]
    title: ClassVar[str]
    figures: ClassVar[tuple[Figure, ...]]

    def __init__(self, arena: Arena, subject: Subject) -> None:
        self.arena = arena
        self.subject = subject
        self.scale = arena.scale
        self._ends = ExitStack()

    def __enter__(self) -> Self:
        try:
            self.set_up()
        except BaseException:
            self._ends.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ends.close()

    @classmethod
    def suits(cls, subject: Subject) -> bool:
        """Return whether that server can do this work."""
        return True

    def set_up(self) -> None:  # noqa: B027  there may be nothing to do
        """Open the streams for the work."""

    def warm_up(self) -> None:
        """Do the work once without measuring."""
        self.round()

    @abstractmethod
    def round(self) -> Mapping[str, float]:
        """Do the work, and return the figures by their keys."""

    # For subclasses.

    def remote(self, factory: Callable[..., Any], *arguments: Any) -> Remote:
        """Return an object in its own process, which ends with the workload."""
        return self._ends.enter_context(Remote(factory, *arguments))

    def measure(self, work: Callable[[], list[Answer]]) -> Effort:
        """Return the cost of the work for the server and the load processes."""
        cpu, began = self.subject.meter.cpu_seconds(), time.perf_counter()
        answers = work()
        seconds = time.perf_counter() - began
        return Effort(
            seconds=seconds,
            cpu_seconds=self.subject.meter.cpu_seconds() - cpu,
            load_seconds=max(answer.cpu_seconds for answer in answers),
        )
