"""Start-up, and idle streams: each round has a new server of its own."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager

from benchmarks.arena import SECRET, STREAMS_PER_USER, Subject
from benchmarks.figures import Figure
from benchmarks.load.actors import ClientOpener, Opener
from benchmarks.load.remote import Remote
from benchmarks.meter import KIB
from benchmarks.workloads.base import Workload

FIRST = 20  # streams that make the server load code and fill its tables first


class Fresh(Workload):
    """Work for a server that has just been started."""

    def warm_up(self) -> None:
        """Do nothing: there is nothing to warm up."""


class StartUp(Fresh):
    """From the command to open ports."""

    key = "start-up"
    title = "start-up"
    figures = (
        Figure(key="seconds", title="until all ports are open", unit="s"),
        Figure(key="cpu", title="CPU", unit="s"),
        Figure(key="memory", title="memory then", unit="MiB"),
    )

    def round(self) -> Mapping[str, float]:
        began = time.perf_counter()
        with self.arena.started(self.subject.name, "fresh-") as fresh:
            return {
                "seconds": time.perf_counter() - began,
                "cpu": fresh.meter.cpu_seconds(),
                "memory": fresh.meter.memory_bytes() / KIB / KIB,
            }


class Idle(Fresh):
    """The memory of each of many idle streams."""

    figures = (Figure(key="memory", title="memory", unit="KiB/stream", target=1.0),)

    def round(self) -> Mapping[str, float]:
        names = self.names(FIRST + self.scale.streams)
        with self.started(names) as fresh, self.opener(fresh) as opener:
            before = self._memory_with(names[:FIRST], fresh, opener)
            after = self._memory_with(names[FIRST:], fresh, opener)
        return {"memory": (after - before) / KIB / self.scale.streams}

    def _memory_with(self, more: list[str], fresh: Subject, opener: Remote) -> int:
        """Open more streams, and return the memory in use when everything is quiet again."""
        opener.call("open", more)
        time.sleep(self.scale.settle_seconds)
        return fresh.meter.memory_bytes()

    def started(self, names: list[str]) -> AbstractContextManager[Subject]:
        """Start the server for them."""
        return self.arena.started(self.subject.name, "fresh-")

    @abstractmethod
    def opener(self, fresh: Subject) -> Remote:
        """Return the process that opens them."""

    @abstractmethod
    def names(self, count: int) -> list[str]:
        """Return their senders."""


class IdleStreams(Idle):
    """Streams from other servers."""

    key = "idle-s2s"
    title = "idle S2S stream"

    def opener(self, fresh: Subject) -> Remote:
        return Remote(Opener, fresh.server_door(), self.arena.credentials)

    def names(self, count: int) -> list[str]:
        return self.arena.many(count)


class IdleClients(Idle):
    """Streams of clients, each with a resource bound."""

    key = "idle-c2s"
    title = "idle client stream"

    def started(self, names: list[str]) -> AbstractContextManager[Subject]:
        return self.arena.started(self.subject.name, "fresh-", users=dict.fromkeys(names))

    def opener(self, fresh: Subject) -> Remote:
        return Remote(ClientOpener, fresh.client_door(), SECRET)

    def names(self, count: int) -> list[str]:
        """Return the names, with as many streams for each as every server allows."""
        return [f"user{number // STREAMS_PER_USER}" for number in range(count)]
