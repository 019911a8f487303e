"""Metrics: counted from notices, read from the status, documented one by one, and bounded."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from twisted.internet.task import Clock

from gateway.filters.lists import NamedList
from gateway.filters.notices import FilterDecided
from gateway.notices.attempts.known_keys import KeyChanged, KnownKey
from gateway.notices.attempts.records import Direction
from gateway.notices.attempts.stream_log import StreamLog
from gateway.notices.attempts.verdicts import Verdict
from gateway.notices.notices import Board, LoopLag, MaybeLost, ServiceBlocked, StanzaBounced, StanzasPassed
from gateway.operations.metrics import ClusterGauges, FilterGauges, Metrics
from gateway.operations.status_records import CertificateStatus, DomainStatus, Figures, OutboxFigures
from gateway.operations.tally import StanzaTally
from gateway.outbox.keeper import COUNTED
from gateway.xmpp.addresses import Address
from gateway.xmpp.stanzas import Stanza

DOCUMENT = Path(__file__).parents[3] / "docs" / "metrics.md"


FIGURES = Figures(
    version="1.2",
    ready=False,
    troubles=Counter({"dns": 1}),
    peers=Counter({"failing": 14}),
    streams=Counter(
        {
            ("in", "server", "established", "dialback", "shown", "TLSv1.3"): 2,
            ("in", "server", "established", "dialback", "shown", "TLSv1.2"): 1,
        }
    ),
    queued_stanzas=7,
    outbox=OutboxFigures(stanzas=5, bytes=50, oldest_seconds=7.5, condition="ready", counts=dict.fromkeys(COUNTED, 3)),
    routes=Counter({"queueing": 2}),
    waiting_domains=1,
    domains=[DomainStatus(domain="bridge.test", serve="component", up=False, told="no component is attached")],
    certificates=[
        CertificateStatus(domain="im.test", file="f", names="im.test", not_after="", expires=1.8e9, days_left=12.5)
    ],
)


@pytest.fixture
def metrics() -> Metrics:
    metrics = Metrics(lambda: FIGURES, StanzaTally())
    metrics.registry.register(FilterGauges(lambda: [NamedList("bad", "a file").look()], lambda: 3))
    nodes = [{"node": "a", "live": True, "crossing": 0}, {"node": "b", "live": False, "crossing": 7}]
    figures = {"node": "a", "life": "a member", "nodes": nodes, "counts": {"sent": 9}}
    metrics.registry.register(ClusterGauges(lambda: figures))
    return metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"xmpp_gateway_{name}", labels)


def documented() -> dict[str, tuple[str, set[str]]]:
    rows = re.findall(r"^\| `(xmpp_gateway_\w+)` \| (\w+) \| (.*?) \|", DOCUMENT.read_text(), re.M)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def test_document_and_registry_agree_on_names_types_and_labels(metrics: Metrics) -> None:
    every_notice_once(metrics)
    found = {}
    for family in text_string_to_metric_families(metrics.text().decode()):
        if family.name.startswith("xmpp_gateway_") and not family.name.endswith("_created"):
            name = family.name + ("_total" if family.type == "counter" else "")
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            found[name] = (family.type, labels)
    assert found == documented()


def every_notice_once(metrics: Metrics) -> None:
    board = Board()
    for reader in (metrics, metrics.tally):
        board.subscribe(reader.notice, *reader.KINDS)  # as the gateway does
    publish = board.publish
    publish(StanzasPassed(came_in=True, via="server", source="a", target="b", stanzas=stanzas("iq"), size=9))
    publish(
        StanzaBounced(name="message", id="1", sender="a", target="b", condition="forbidden", reason="", answered=True)
    )
    publish(FilterDecided(rule="r", decision="drop", act="drop", dry_run=False, stanza=stanzas("message")[0]))
    publish(ServiceBlocked(domain="bot.test", service="Bot", name="message", seconds=0.2))
    log = StreamLog(publish, Clock().seconds, 1, Direction.OUT)
    log.end(Verdict.ESTABLISHED)
    log.stream_ended(0, 0, "")
    key = KnownKey(key="aa", issuer="CA", since=0, seen=0, begins=0, ends=1)
    publish(KeyChanged(domain="far.test", before=key, after=key))


def stanzas(*names: str) -> list[Stanza]:
    nobody = Address.make("", "im.test", "")
    return [Stanza(name, b"<x/>", nobody, nobody, None, None) for name in names]


def test_stanzas_are_counted_by_direction_and_kind_a_batch_at_a_time(metrics: Metrics) -> None:
    batch = stanzas("message", "iq", "message")
    metrics.tally.notice(StanzasPassed(came_in=True, via="server", source="a", target="b", stanzas=batch, size=300))
    metrics.tally.notice(StanzasPassed(came_in=False, via="component", source="a", target="b", stanzas=batch, size=300))
    assert value(metrics, "stanzas_total", direction="in", via="server", kind="message") == 2
    assert value(metrics, "stanzas_total", direction="in", via="server", kind="iq") == 1
    assert value(metrics, "stanzas_total", direction="out", via="component", kind="message") == 2
    assert value(metrics, "stanza_bytes_total", direction="in", via="server") == 300


def test_attempts_are_counted_by_verdict(metrics: Metrics) -> None:
    clock = Clock()
    for verdict in (Verdict.TIMEOUT, Verdict.TIMEOUT, Verdict.ESTABLISHED):
        log = StreamLog(metrics.notice, clock.seconds, 1, Direction.OUT, remote="far.test")
        clock.advance(0.2)
        log.end(verdict)
    labels = {"direction": "out", "kind": "server"}
    assert value(metrics, "attempts_total", **labels, verdict="timeout") == 2
    assert value(metrics, "attempts_total", **labels, verdict="established") == 1
    assert value(metrics, "attempt_seconds_sum", **labels) == pytest.approx(0.2)


def test_streams_that_end_are_counted_by_how(metrics: Metrics) -> None:
    log = StreamLog(metrics.notice, Clock().seconds, 1, Direction.OUT, remote="far.test")
    log.end(Verdict.ESTABLISHED)
    log.stream_ended(1, 2, "policy-violation", Verdict.CLOSED_BY_PEER)
    assert value(metrics, "streams_ended_total", direction="out", kind="server", verdict="closed-by-peer") == 1


def test_bounces_losses_and_lag_are_counted(metrics: Metrics) -> None:
    bounce = StanzaBounced(
        name="message", id="1", sender="a", target="b", condition="remote-server-timeout", reason="", answered=False
    )
    metrics.notice(bounce)
    metrics.notice(MaybeLost(domain="far.test", count=5, seconds=1, reason="cut"))
    metrics.notice(LoopLag(seconds=0.5))
    assert value(metrics, "bounces_total", condition="remote-server-timeout", answered="no") == 1
    assert value(metrics, "maybe_lost_stanzas_total") == 5
    assert value(metrics, "loop_lag_seconds_count") == 1


def test_a_service_that_blocks_is_counted_by_its_domain(metrics: Metrics) -> None:
    metrics.notice(ServiceBlocked(domain="bot.test", service="Bot", name="message", seconds=0.2))
    assert value(metrics, "service_blocked_total", domain="bot.test") == 1


def test_the_state_of_the_moment_is_read_from_the_status(metrics: Metrics) -> None:
    labels = {"direction": "in", "kind": "server", "state": "established"}
    labels |= {"they_to_us": "dialback", "we_to_them": "shown"}
    assert value(metrics, "streams", **labels, tls="TLSv1.3") == 2
    assert value(metrics, "streams", **labels, tls="TLSv1.2") == 1
    assert value(metrics, "queued_stanzas") == 7
    assert value(metrics, "routes", disposition="queueing") == 2
    assert value(metrics, "ready") == 0
    assert (value(metrics, "trouble", kind="dns"), value(metrics, "trouble", kind="disk")) == (1, 0)
    assert (value(metrics, "peers", state="failing"), value(metrics, "peers", state="quiet")) == (14, 0)
    assert value(metrics, "domain_up", domain="bridge.test", serve="component") == 0
    assert value(metrics, "certificate_expiration_timestamp_seconds", domain="im.test") == 1.8e9


def test_peers_do_not_become_labels(metrics: Metrics) -> None:
    for number in range(50):
        peer = f"peer{number}.test"
        log = StreamLog(metrics.notice, Clock().seconds, 1, Direction.IN, remote=peer)
        log.end(Verdict.TIMEOUT)
        batch = StanzasPassed(came_in=True, via="server", source=peer, target="b", stanzas=stanzas("odd"), size=1)
        metrics.tally.notice(batch)
    assert not re.search(rb"peer\d", metrics.text())
    assert value(metrics, "stanzas_total", direction="in", via="server", kind="other") == 50
