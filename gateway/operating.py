"""What an operator has of the running gateway: the control socket, and what is behind the http door."""

from __future__ import annotations

from functools import partial
from typing import Any

from gateway.control.door import ControlDoor
from gateway.control.operator import Operator
from gateway.control.place import socket_path
from gateway.http.door import Answer, Door, Page
from gateway.http.events import EventStream
from gateway.http.files import page_files
from gateway.http.health import alive, ready
from gateway.lag import LagMeter
from gateway.metrics import CONTENT_TYPE, Metrics


def control_door(gateway: Any) -> ControlDoor:
    """The socket by which the commands reach the gateway."""
    return ControlDoor(partial(socket_path, gateway.settings.gateway.state), Operator(gateway).actions, gateway.reactor)


def http_door(gateway: Any) -> Door:
    """Page, metrics and health of the gateway, whose notices are counted from now on."""
    metrics, operator = Metrics(gateway.status.figures), Operator(gateway)
    gateway.board.subscribe(metrics.notice, *Metrics.KINDS)
    gateway.addService(LagMeter(gateway.reactor, metrics.notice))
    pages = {
        **dict(page_files()),
        "/events": EventStream({"status": operator.glance, "failures": operator.failures}, gateway.reactor),
        "/metrics": Page(lambda: Answer(body=metrics.text(), kind=CONTENT_TYPE)),
        "/healthz": Page(ready(gateway.missing)),
        "/healthz/alive": Page(alive),
    }
    return Door(pages, lambda: gateway.settings.domains, gateway.reactor)
