"""Stanzas that pass: between servers, components and relayed servers."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.arena import RELAYED, REMOTE, SECRET, Subject
from benchmarks.figures import Figure
from benchmarks.load.actors import Component, ServerSender
from benchmarks.load.remote import Answer, Remote
from benchmarks.traffic import Cut, Kind, Traffic, addresses
from benchmarks.workloads.base import BUSY, LOAD, MICRO, Effort, Workload

MIXED_DOMAINS = 50


def per_stanza(target: float | None) -> Figure:
    """Return the figure of all workloads with passing stanzas."""
    return Figure(key="cpu", title="CPU", unit="µs/stanza", target=target)


RATE = Figure(key="rate", title="rate", unit="stanzas/s", more_is_better=True)


class Passing(Workload):
    """A sender, a counter, and stanzas from the one to the other."""

    figures = (per_stanza(1 / 5), RATE, BUSY, LOAD)

    sender: Remote
    counter: Remote

    def traffics(self) -> list[Traffic]:
        """Return the traffic for each of the sender's streams."""
        raise NotImplementedError

    def round(self) -> Mapping[str, float]:
        traffics = self.traffics()
        effort = self.passed(traffics)
        count = sum(traffic.count for traffic in traffics)
        return {
            "cpu": MICRO * effort.cpu_seconds / count,
            "rate": count / effort.seconds,
            **effort.shares(),
        }

    def passed(self, traffics: list[Traffic]) -> Effort:
        """Send everything, and wait until all has arrived."""
        self.sender.call("prepare", *traffics)
        count = sum(traffic.count for traffic in traffics)

        def work() -> list[Answer]:
            self.counter.begin("take", count)
            self.sender.begin("send")
            return [self.sender.collect(), self.counter.collect()]

        return self.measure(work)


class ServerToComponent(Passing):
    """The main job: stanzas from another server go to a component."""

    key = "s2s-component"
    title = "S2S → component, whole stanzas"
    cut = Cut.WHOLE

    def set_up(self) -> None:
        # The component first: for some servers its domain exists only while it is attached.
        self.counter = self.remote(Component, self.subject.component_door(), SECRET)
        place = self.subject.server_door(self.subject.component_domain)
        self.sender = self.remote(ServerSender, place, [REMOTE], self.arena.credentials)

    def traffics(self) -> list[Traffic]:
        recipients = addresses(self.subject.component_domain)
        return [Traffic(count=self.scale.stanzas, senders=addresses(REMOTE), recipients=recipients, cut=self.cut)]


class OneByOne(ServerToComponent):
    """The same, with a write for each stanza."""

    key = "s2s-component-single"
    title = "S2S → component, one stanza a write"
    cut = Cut.SINGLE


class CutAnywhere(ServerToComponent):
    """The same, with writes cut without regard to stanzas."""

    key = "s2s-component-cut"
    title = "S2S → component, cut anywhere"
    cut = Cut.ANYWHERE


class ComponentToServer(Passing):
    """The other direction."""

    key = "component-s2s"
    title = "component → S2S"

    def set_up(self) -> None:
        self.sender = self.remote(Component, self.subject.component_door(), SECRET)
        self.counter = self.arena.outside
        self._ends.callback(self.arena.outside.call, "hang_up")

    def traffics(self) -> list[Traffic]:
        senders = addresses(self.subject.component_domain)
        return [Traffic(count=self.scale.stanzas, senders=senders, recipients=addresses(REMOTE))]


class Mix(Passing):
    """Many domains, all kinds of stanzas."""

    key = "mix-component"
    title = f"mix from {MIXED_DOMAINS} domains → component"

    def set_up(self) -> None:
        self._domains = self.arena.many(min(MIXED_DOMAINS, self.scale.streams))
        self.counter = self.remote(Component, self.subject.component_door(), SECRET)
        place = self.subject.server_door(self.subject.component_domain)
        self.sender = self.remote(ServerSender, place, self._domains, self.arena.credentials)

    def traffics(self) -> list[Traffic]:
        recipients = addresses(self.subject.component_domain)
        count = self.scale.stanzas // len(self._domains)
        return [
            Traffic(count=count, senders=addresses(domain), recipients=recipients, kind=Kind.MIX)
            for domain in self._domains
        ]


class Relay(Passing):
    """Stanzas from another server go to a server behind us: TLS on both sides. Compared with our own main job."""

    key = "s2s-relay"
    title = "S2S → relayed server"
    figures = (
        per_stanza(None),
        Figure(key="growth", title="CPU, against S2S → component", unit="times", limit=1.3),
        RATE,
        BUSY,
        LOAD,
    )

    @classmethod
    def suits(cls, subject: Subject) -> bool:
        return subject.is_ours

    def set_up(self) -> None:
        self._main_job = self._ends.enter_context(ServerToComponent(self.arena, self.subject))
        place = self.subject.server_door(RELAYED)
        self.sender = self.remote(ServerSender, place, [REMOTE], self.arena.credentials)
        self.counter = self.arena.outside
        self._ends.callback(self.arena.outside.call, "hang_up")

    def traffics(self) -> list[Traffic]:
        return [Traffic(count=self.scale.stanzas, senders=addresses(REMOTE), recipients=addresses(RELAYED))]

    def round(self) -> Mapping[str, float]:
        main_job = self._main_job.round()
        relayed = super().round()
        return {**relayed, "growth": relayed["cpu"] / main_job["cpu"]}
