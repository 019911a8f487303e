"""A steady pace, as on an ordinary day: the cost of a stanza when few come at once, and its latency."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.arena import REMOTE
from benchmarks.figures import Figure, percentile
from benchmarks.load.remote import Answer
from benchmarks.traffic import Traffic, addresses
from benchmarks.workloads.base import BUSY, LOAD, MICRO
from benchmarks.workloads.passing import ServerToComponent, per_stanza

PER_SECOND = 1000
MILLI = 1e3


class Paced(ServerToComponent):
    """The main job at a thousand stanzas a second."""

    key = "paced"
    title = f"S2S → component, {PER_SECOND} stanzas/s"
    figures = (
        per_stanza(1.0),
        Figure(key="p50", title="latency, half are below", unit="ms"),
        Figure(key="p99", title="latency, 99 % are below", unit="ms", target=1.0),
        BUSY,
        LOAD,
    )

    def round(self) -> Mapping[str, float]:
        recipients = addresses(self.subject.component_domain)
        traffic = Traffic(count=self.scale.paced, senders=addresses(REMOTE), recipients=recipients)
        latencies: list[float] = []

        def work() -> list[Answer]:
            self.counter.begin("take_stamped", traffic.count)
            self.sender.begin("send_paced", traffic, PER_SECOND)
            answers = [self.sender.collect(), self.counter.collect()]
            latencies.extend(answers[1].value)
            return answers

        effort = self.measure(work)
        return {
            "cpu": MICRO * effort.cpu_seconds / traffic.count,
            "p50": MILLI * percentile(latencies, 0.5),
            "p99": MILLI * percentile(latencies, 0.99),
            **effort.shares(),
        }
