"""The operator's side of the running gateway: its status, the control socket, and the http port."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway.operations.control.door import ControlDoor
from gateway.operations.control.operator import Operator, Steered
from gateway.operations.control.place import socket_path
from gateway.operations.http.door import HTTPDoor, Page, Response
from gateway.operations.http.events import EventStream
from gateway.operations.http.files import page_files
from gateway.operations.http.health import alive, ready
from gateway.operations.lag import LagMeter
from gateway.operations.metrics import CONTENT_TYPE, Metrics
from gateway.operations.status import Observed, StatusReader
from gateway.operations.supervision import Supervised
from gateway.outbox.keeper import Keeper
from gateway.run.assembly.certificates import Trust
from gateway.run.assembly.routing import Routing
from gateway.run.assembly.serving import Served
from gateway.run.assembly.shared import Shared
from gateway.timing.turns import Turns


@dataclass(frozen=True, kw_only=True)
class Operating:
    """The operator's side of the gateway."""

    control: ControlDoor
    lag: LagMeter
    page: HTTPDoor
    supervised: Supervised


def observe(
    shared: Shared,
    trust: Trust,
    routing: Routing,
    served: Served,
    connections: Callable[[], list[Any]],
) -> StatusReader:
    """Return the reader of the present state."""
    observed = Observed(
        settings=lambda: shared.settings,
        history=shared.history,
        identities=trust.identities,
        components=served.components,
        keeper=routing.keeper,
        remote_routes=routing.routes.by_pair,
        backoff=routing.backoff,
        started_at=shared.started_at,
        connections=connections,
        missing=shared.endpoints.missing,
    )
    return StatusReader(observed, shared.reactor.seconds, shared.time_of_day)


def let_operators_in(shared: Shared, steered: Steered) -> Operating:
    """Open the control socket, and count notices for the page and the metrics from now on."""
    reactor, board, settings = shared.reactor, shared.board, shared.settings
    operator, metrics = Operator(steered, Turns(reactor)), Metrics(steered.status.figures)
    board.subscribe(metrics.notice, *Metrics.KINDS)
    return Operating(
        control=ControlDoor(partial(socket_path, settings.gateway.state), operator.actions, reactor),
        lag=LagMeter(reactor, metrics.notice),
        page=_page(shared, operator, metrics, steered.keeper),
        supervised=Supervised(os.environ, shared.endpoints.missing, reactor),
    )


def _page(shared: Shared, operator: Operator, metrics: Metrics, keeper: Keeper) -> HTTPDoor:
    pages = {
        **dict(page_files()),
        "/events": EventStream({"status": operator.glance, "failures": operator.failures}, shared.reactor),
        "/metrics": Page(lambda: Response(body=metrics.text(), kind=CONTENT_TYPE)),
        "/healthz": Page(ready(shared.endpoints.missing, keeper.problems)),
        "/healthz/alive": Page(alive),
    }
    return HTTPDoor(pages, lambda: shared.settings.domains, shared.reactor)
