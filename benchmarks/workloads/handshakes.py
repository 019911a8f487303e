"""Opening streams: TCP, TLS and proof, until stanzas may pass."""

from __future__ import annotations

import time
from collections.abc import Mapping

from benchmarks.arena import BACK, MANY, REMOTE, SECRET
from benchmarks.figures import Figure
from benchmarks.load.actors import Component, Opener
from benchmarks.load.remote import Answer
from benchmarks.traffic import Traffic, addresses
from benchmarks.workloads.base import BUSY, LOAD, Effort, Workload

MILLI = 1e3
DROP_SECONDS = 0.5  # for a server to notice that its streams are gone


class Handshakes(Workload):
    """Many streams, opened one after the other or as the server likes."""

    figures = (
        Figure(key="cpu", title="CPU", unit="ms/handshake", target=2 / 3),
        Figure(key="rate", title="rate", unit="handshakes/s", more_is_better=True),
        BUSY,
        LOAD,
    )

    def result(self, effort: Effort) -> Mapping[str, float]:
        """Return the figures."""
        count = self.scale.handshakes
        return {
            "cpu": MILLI * effort.cpu_seconds / count,
            "rate": count / effort.seconds,
            **effort.shares(),
        }


class ExternalIn(Handshakes):
    """Another server connects and presents its certificate."""

    key = "handshake-in-external"
    title = "handshake, receiving, EXTERNAL"
    external = True

    def set_up(self) -> None:
        self._opener = self.remote(Opener, self.subject.server_door(), self.arena.credentials, self.external)
        self._ends.callback(self.arena.outside.call, "hang_up")

    def round(self) -> Mapping[str, float]:
        def work() -> list[Answer]:
            self._opener.begin("open", [REMOTE] * self.scale.handshakes)
            return [self._opener.collect()]

        effort = self.measure(work)
        self._opener.call("hang_up")
        time.sleep(DROP_SECONDS)
        return self.result(effort)


class DialbackIn(ExternalIn):
    """Another server connects without a certificate, but with a dialback key, which must be verified."""

    key = "handshake-in-dialback"
    title = "handshake, receiving, dialback"
    external = False


class ExternalOut(Handshakes):
    """The server connects to others, because its component writes to them, and presents its certificate."""

    key = "handshake-out-external"
    title = "handshake, initiating, EXTERNAL"
    above = MANY

    def set_up(self) -> None:
        self._outside = self.arena.outside if self.above == MANY else self.arena.back
        self._component = self.remote(Component, self.subject.component_door(), SECRET)
        self._ends.callback(self._outside.call, "hang_up")

    def round(self) -> Mapping[str, float]:
        domains = self.arena.many(self.scale.handshakes, self.above)
        [sender] = addresses(self.subject.component_domain, 1)
        recipients = [f"juliet@{domain}" for domain in domains]
        self._component.call(
            "prepare", Traffic(count=len(domains), senders=[sender], recipients=recipients, in_turn=True)
        )

        def work() -> list[Answer]:
            self._outside.begin("take", len(domains))
            self._component.begin("send")
            return [self._component.collect(), self._outside.collect()]

        effort = self.measure(work)
        self._outside.call("hang_up")
        time.sleep(DROP_SECONDS)
        return self.result(effort)


class DialbackOut(ExternalOut):
    """The same, towards servers that want dialback."""

    key = "handshake-out-dialback"
    title = "handshake, initiating, dialback"
    above = BACK
