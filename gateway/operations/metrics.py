"""Metrics: counts of what happened, and the present state, in the text format of Prometheus.

Notices feed the counters; gauges are read from the status on request. Every label has a bounded set of values: our own
closed sets, and the domains of our own configuration. A peer's name never becomes a label. docs/metrics.md lists all
metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache, partial
from typing import Any, TypeVar

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway.filters.lists import ListState
from gateway.filters.notices import FilterDecided
from gateway.net.listen.connection_limits import TurnedAway
from gateway.notices.attempts.known_keys import KeyChanged
from gateway.notices.attempts.records import Attempt, StreamEnded
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import LoopLag, MaybeLost, Notice, ServiceBlocked, StanzaBounced
from gateway.operations.peers import PeerState
from gateway.operations.status_records import Figures
from gateway.operations.tally import StanzaTally
from gateway.operations.troubles import TroubleKind

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
LIFE_SECONDS = (1, 10, 60, 600, 3600, 21600, 86400, 604800)

MetricT = TypeVar("MetricT", Counter, Histogram)


class Metrics:
    """The metrics, with their own registry; a subscriber for notices."""

    KINDS = (
        StanzaBounced,
        Attempt,
        StreamEnded,
        MaybeLost,
        TurnedAway,
        LoopLag,
        KeyChanged,
        FilterDecided,
        ServiceBlocked,
    )

    def __init__(self, figures: Callable[[], Figures], tally: StanzaTally) -> None:
        """`figures` returns the present figures; it is called for each scrape."""
        registry = self.registry = CollectorRegistry()
        self.tally = tally
        registry.register(StanzaCounters(tally))
        counter, histogram = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        ways = ["direction", "kind"]
        attempts = "Attempts at streams, by us (out) or by others (in), by verdict"
        self._attempts = _cached(counter("xmpp_gateway_attempts", attempts, [*ways, "verdict"]))
        began = "Time from the first step to the established stream"
        self._attempt_seconds = _cached(histogram("xmpp_gateway_attempt_seconds", began, ways, buckets=SECONDS))
        age = "The age of established streams when they ended"
        self._stream_seconds = _cached(histogram("xmpp_gateway_stream_seconds", age, ways, buckets=LIFE_SECONDS))
        ended = "Established streams that have ended, by how"
        self._streams_ended = _cached(counter("xmpp_gateway_streams_ended", ended, [*ways, "verdict"]))
        bounces = "Stanzas that were not delivered"
        self._bounces = _cached(counter("xmpp_gateway_bounces", bounces, ["condition", "answered"]))
        decisions = "Stanzas about which a filter has decided"
        self._filter_decisions = _cached(counter("xmpp_gateway_filter_decisions", decisions, ["rule", "act"]))
        self._maybe_lost = counter(
            "xmpp_gateway_maybe_lost_stanzas", "An upper bound of the stanzas that may not have arrived"
        )
        self._key_changes = counter(
            "xmpp_gateway_key_changes", "Other domains that have shown another key or issuer", ["expected"]
        )
        self._turned_away = counter("xmpp_gateway_turned_away_connections", "Connections closed on arrival by a limit")
        self._lag = histogram(
            "xmpp_gateway_loop_lag_seconds",
            "How late the event loop runs a timer, measured once a second",
            buckets=LAG_SECONDS,
        )
        self._service_blocked = counter(
            "xmpp_gateway_service_blocked",
            "Stanzas with which a service in Python stopped the event loop for 100 ms or more",
            ["domain"],
        )
        registry.register(FigureGauges(figures))
        registry.register(OutboxCounters(figures))
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)

    def text(self) -> bytes:
        """Return all metrics, as they are now."""
        return generate_latest(self.registry)

    def notice(self, notice: Notice) -> None:
        """Count a notice."""
        match notice:
            case StanzaBounced():
                self._bounces(notice.condition, "yes" if notice.answered else "no").inc()
            case Attempt():
                self._attempts(notice.direction, notice.kind, notice.verdict).inc()
                if notice.verdict is Verdict.ESTABLISHED:
                    self._attempt_seconds(notice.direction, notice.kind).observe(notice.seconds)
            case StreamEnded():
                self._stream_seconds(notice.attempt.direction, notice.attempt.kind).observe(notice.seconds)
                self._streams_ended(notice.attempt.direction, notice.attempt.kind, notice.verdict).inc()
            case MaybeLost():
                self._maybe_lost.inc(notice.count)
            case KeyChanged():
                self._key_changes.labels("yes" if notice.is_expected else "no").inc()
            case TurnedAway():
                self._turned_away.inc(1 + notice.untold)
            case FilterDecided():
                self._filter_decisions(notice.rule, "dry_run" if notice.dry_run else notice.act).inc()
            case ServiceBlocked():
                self._service_blocked.labels(notice.domain).inc()
            case LoopLag():
                self._lag.observe(notice.seconds)


def _cached(metric: MetricT) -> Callable[..., MetricT]:
    """Return a look-up of the metric for given labels, which never changes; otherwise it takes longer than counting."""
    return cache(metric.labels)


class StanzaCounters(Collector):
    """The counters of stanzas and their bytes, which the tally counts."""

    def __init__(self, tally: StanzaTally) -> None:
        self._tally = tally

    def describe(self) -> Iterable[CounterMetricFamily]:
        """Return the names, for the registry."""
        yield CounterMetricFamily(
            "xmpp_gateway_stanzas",
            "Stanzas that came in from streams and handlers, and went out to them",
            labels=["direction", "via", "kind"],
        )
        yield CounterMetricFamily(
            "xmpp_gateway_stanza_bytes",
            "Bytes of the stanzas that came in and went out",
            labels=["direction", "via"],
        )

    def collect(self) -> Iterable[CounterMetricFamily]:
        """Return the numbers so far."""
        stanzas, sizes = self.describe()
        for (came_in, via, kind), count in self._tally.stanzas.items():
            stanzas.add_metric(["in" if came_in else "out", via, kind], count)
        for (came_in, via), size in self._tally.bytes.items():
            sizes.add_metric(["in" if came_in else "out", via], size)
        return stanzas, sizes


class FilterGauges(Collector):
    """The lists that filters ask, and what filters hold back."""

    def __init__(self, lists: Callable[[], Iterable[ListState]], withheld: Callable[[], int]) -> None:
        self._lists = lists
        self._withheld = withheld

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """The names, for the registry."""
        return self._empty()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges, filled in."""
        held, entries, ready = gauges = self._empty()
        held.add_metric([], self._withheld())
        for each in self._lists():
            entries.add_metric([each.name], each.entries)
            ready.add_metric([each.name], float(each.is_well))
        return gauges

    def _empty(self) -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
        return (
            GaugeMetricFamily("xmpp_gateway_filter_held_stanzas", "Stanzas that filters hold back", labels=[]),
            GaugeMetricFamily(
                "xmpp_gateway_filter_list_entries", "Entries of a list that filters use", labels=["list"]
            ),
            GaugeMetricFamily(
                "xmpp_gateway_filter_list_ready", "1 unless something is wrong with a list", labels=["list"]
            ),
        )


class ClusterGauges(Collector):
    """The nodes of a cluster, and what crosses between them; only where there is one."""

    def __init__(self, figures: Callable[[], Mapping[str, Any]]) -> None:
        self._figures = figures

    def describe(self) -> Iterable[Metric]:
        """The names, for the registry."""
        return self._empty()

    def collect(self) -> Iterable[Metric]:
        """The figures, filled in."""
        figures = self._figures()
        nodes, member, waiting, crossed = found = self._empty()
        nodes.add_metric([], sum(node["live"] for node in figures["nodes"]))
        member.add_metric([figures["node"]], float(figures["life"] == "a member"))
        for node in figures["nodes"]:
            waiting.add_metric([node["node"]], node["crossing"])
        for name, count in figures["counts"].items():
            crossed.add_metric([name], count)
        return found

    def _empty(self) -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily, CounterMetricFamily]:
        return (
            GaugeMetricFamily("xmpp_gateway_cluster_nodes", "Live nodes that this one sees", labels=[]),
            GaugeMetricFamily("xmpp_gateway_cluster_member", "1 while this node holds its lease", labels=["node"]),
            GaugeMetricFamily(
                "xmpp_gateway_cluster_crossing_stanzas",
                "Stanzas that another node has not accepted yet",
                labels=["node"],
            ),
            CounterMetricFamily("xmpp_gateway_cluster_stanzas", "Stanzas between nodes, by outcome", labels=["what"]),
        )


class OutboxCounters(Collector):
    """The counters of the outbox, which does the counting itself."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._figures = figures

    def describe(self) -> Iterable[CounterMetricFamily]:
        """Return the names, for the registry, without reading anything."""
        return [self._ended(), *(CounterMetricFamily(f"xmpp_gateway_outbox_{name}", told) for name, told in _COUNTED)]

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counters with their values."""
        outbox = self._figures().outbox
        if outbox is None:
            return
        ended = self._ended()
        for how in ("delivered", "expired", "returned", "set_aside"):
            ended.add_metric([how], outbox.counts[how])
        yield ended
        for name, told in _COUNTED:
            yield CounterMetricFamily(f"xmpp_gateway_outbox_{name}", told, outbox.counts[name])

    def _ended(self) -> CounterMetricFamily:
        told = "Stanzas that left the outbox"
        return CounterMetricFamily("xmpp_gateway_outbox_ended", told, labels=["how"])


_COUNTED = (
    ("kept", "Stanzas put into the outbox"),
    ("refused", "Stanzas that the outbox did not accept"),
    ("in_doubt", "Stanzas that count as delivered only because enough time has passed"),
    ("maybe_twice", "Stanzas in flight when a stream broke: they may arrive twice"),
)


class FigureGauges(Collector):
    """The present state, read on request."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._figures = figures

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return the names, for the registry, without reading anything."""
        return list(_empty_gauges().values())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges with their values."""
        figures = self._figures()
        gauges = _empty_gauges()

        def add(name: str, value: float, *labels: str) -> None:
            gauges[name].add_metric(labels, value)

        add("build_info", 1, figures.version)
        add("ready", float(figures.ready))
        for trouble in TroubleKind:
            add("trouble", figures.troubles[trouble], trouble)
        for state in PeerState:
            add("peers", figures.peers[state], state)
        for labels, count in figures.streams.items():
            add("streams", count, *labels)
        add("queued_stanzas", figures.queued_stanzas)
        for disposition, count in figures.routes.items():
            add("routes", count, disposition)
        add("waiting_domains", figures.waiting_domains)
        if (outbox := figures.outbox) is not None:
            add("outbox_stanzas", outbox.stanzas)
            add("outbox_bytes", outbox.bytes)
            add("outbox_oldest_seconds", outbox.oldest_seconds)
            add("outbox_ready", float(outbox.condition == "ready"), outbox.condition)
        for domain in figures.domains:
            add("domain_up", float(domain.up), domain.domain, domain.serve)
        for certificate in figures.certificates:
            add("certificate_expiration_timestamp_seconds", certificate.expires, certificate.domain)
        yield from gauges.values()


def _empty_gauges() -> dict[str, GaugeMetricFamily]:
    return {
        name: GaugeMetricFamily(f"xmpp_gateway_{name}", documentation, labels=labels)
        for name, documentation, labels in (
            ("build_info", "Always 1; the version is the label", ["version"]),
            ("ready", "1 when every port is open and the service is not stopping", []),
            ("trouble", "The number of troubles of that kind", ["kind"]),
            ("peers", "Other domains, by the state of federation with them", ["state"]),
            ("streams", "Open streams", ["direction", "kind", "state", "they_to_us", "we_to_them", "tls"]),
            ("queued_stanzas", "Stanzas waiting for a stream to open", []),
            ("routes", "Routes to other domains, by what happens to a stanza now", ["disposition"]),
            ("waiting_domains", "Domains not tried for a while because the last attempt failed", []),
            ("outbox_stanzas", "Stanzas kept in the outbox, including those in flight", []),
            ("outbox_bytes", "Bytes of the stanzas kept in the outbox", []),
            ("outbox_oldest_seconds", "Age of the oldest stanza in the outbox; 0 when there is none", []),
            ("outbox_ready", "1 when the outbox accepts stanzas; the label is its condition", ["condition"]),
            ("domain_up", "1 when the service behind one of our domains is available", ["domain", "serve"]),
            (
                "certificate_expiration_timestamp_seconds",
                "When one of our certificates expires, in seconds since 1970",
                ["domain"],
            ),
        )
    }
