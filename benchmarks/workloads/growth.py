"""Proportional cost: many domains and streams, many bytes in one stanza."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.arena import SECRET
from benchmarks.figures import Figure
from benchmarks.load.actors import Component, ServerSender
from benchmarks.load.remote import Remote
from benchmarks.traffic import Cut, Kind, Traffic, addresses
from benchmarks.workloads.base import MICRO
from benchmarks.workloads.passing import Passing, per_stanza

MEBI = 1 << 20
PARTS = 8
PEOPLE = 4000


class ManyStreams(Passing):
    """The same number of stanzas and senders, over a thousand streams of as many domains as over one."""

    key = "many-streams"
    title = "S2S → component, 1,000 streams"
    figures = (
        per_stanza(None),
        Figure(key="growth", title="CPU, against one stream", unit="times", limit=1.3),
    )

    def set_up(self) -> None:
        self.counter = self.remote(Component, self.subject.component_door(), SECRET)
        self._domains = self.arena.many(self.scale.streams)
        self._one, self._many = self._sender(self._domains[:1]), self._sender(self._domains)

    def _sender(self, domains: list[str]) -> Remote:
        place = self.subject.server_door(self.subject.component_domain)
        return self.remote(ServerSender, place, domains, self.arena.credentials)

    def round(self) -> Mapping[str, float]:
        one, many = self._cost(self._one, self._domains[:1]), self._cost(self._many, self._domains)
        return {"cpu": many, "growth": many / one}

    def _cost(self, sender: Remote, domains: list[str]) -> float:
        self.sender = sender
        recipients = addresses(self.subject.component_domain)
        each, people = self.scale.stanzas // len(domains), PEOPLE // len(domains)
        effort = self.passed(
            [Traffic(count=each, senders=addresses(domain, people), recipients=recipients) for domain in domains]
        )
        return MICRO * effort.cpu_seconds / (each * len(domains))


class HugeStanza(Passing):
    """A stanza of 2 MB in small writes, compared with the same bytes in eight smaller stanzas."""

    key = "huge-stanza"
    title = "one stanza of 2 MB in small writes"
    figures = (
        Figure(key="cpu", title="CPU", unit="ms/MiB"),
        Figure(key="growth", title="CPU, against 8 smaller stanzas", unit="times", limit=1.3),
    )

    def set_up(self) -> None:
        self._domains = self.arena.many(1)
        self.counter = self.remote(Component, self.subject.component_door(), SECRET)
        place = self.subject.server_door(self.subject.component_domain)
        self.sender = self.remote(ServerSender, place, self._domains, self.arena.credentials)

    def round(self) -> Mapping[str, float]:
        small, large = self._cost(PARTS), self._cost(1)
        return {"cpu": large, "growth": large / small}

    def _cost(self, parts: int) -> float:
        """Return the milliseconds of CPU for each MiB, if the bytes come in this many stanzas, one after the other.

        If several came together, the first would keep a server so busy that the rest came in larger reads.
        """
        size = self.scale.huge
        traffic = Traffic(
            count=1,
            senders=addresses(self._domains[0], 1),
            recipients=addresses(self.subject.component_domain, 1),
            kind=Kind.HUGE,
            cut=Cut.CRUMBS,
            size=size // parts,
        )
        seconds = sum(self.passed([traffic]).cpu_seconds for _ in range(parts))
        return 1000 * seconds / (size / MEBI)
