"""What an operator has of the running gateway: its history, the control socket, and what is behind the http door."""

from __future__ import annotations

from functools import partial

from gateway.operations.control.door import ControlDoor
from gateway.operations.control.operator import Operator, Steered
from gateway.operations.control.place import socket_path
from gateway.operations.history import History
from gateway.operations.http.door import Answer, Door, Page
from gateway.operations.http.events import EventStream
from gateway.operations.http.files import page_files
from gateway.operations.http.health import alive, ready
from gateway.operations.lag import LagMeter
from gateway.operations.metrics import CONTENT_TYPE, Metrics
from gateway.operations.status import StatusReader
from gateway.run.assembly.parts import Parts
from gateway.timing.turns import Turns


def remember(parts: Parts) -> None:
    """Keep what happens, from the beginning on."""
    limits = parts.settings.limits
    parts.history = History(
        domains=limits.remembered_domains,
        strangers=max(1, limits.remembered_domains // 4),
        attempts=limits.remembered_attempts,
        most_bytes=limits.history_bytes,
    )
    parts.board.subscribe(parts.history.notice, *History.KINDS)
    parts.status = StatusReader(parts, parts.reactor.seconds, parts.time_of_day)


def set_operating(parts: Parts, steered: Steered) -> None:
    """Let the commands in, and count the notices from now on for the page and the metrics."""
    operator, metrics = Operator(steered, Turns(parts.reactor)), Metrics(parts.status.figures)
    place = partial(socket_path, parts.settings.gateway.state)
    parts.addService(ControlDoor(place, operator.actions, parts.reactor))
    parts.board.subscribe(metrics.notice, *Metrics.KINDS)
    parts.addService(LagMeter(parts.reactor, metrics.notice))
    parts.doors["http"] = _http_door(parts, operator, metrics)


def _http_door(parts: Parts, operator: Operator, metrics: Metrics) -> Door:
    pages = {
        **dict(page_files()),
        "/events": EventStream({"status": operator.glance, "failures": operator.failures}, parts.reactor),
        "/metrics": Page(lambda: Answer(body=metrics.text(), kind=CONTENT_TYPE)),
        "/healthz": Page(ready(parts.missing, parts.keeper.problems)),
        "/healthz/alive": Page(alive),
    }
    return Door(pages, lambda: parts.settings.domains, parts.reactor)
