"""The http port, made when `[listen]` first asks for it: the page, the metrics and what a monitor asks.

Counters of the metrics that the tally does not have begin here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.application.service import Service

from gateway.operations.http.door import HTTPDoor, Page, Response
from gateway.operations.http.events import EventStream
from gateway.operations.http.files import page_files
from gateway.operations.http.health import alive, ready
from gateway.operations.http.views import ViewQuery, Views
from gateway.operations.lag import LagMeter
from gateway.operations.metrics import CONTENT_TYPE, ClusterGauges, FilterGauges, Metrics
from gateway.run.assembly.border import Filters
from gateway.run.assembly.shared import Shared

if TYPE_CHECKING:
    from gateway.run.assembly.cluster import Clustered
    from gateway.run.assembly.operating import Observation


def make_page(
    shared: Shared,
    observation: Observation,
    filters: Filters,
    cluster: Clustered | None,
    views: Views,
    join: Callable[[Service], None],
) -> HTTPDoor:
    """Return the site of the http port, with the metrics, which count from now on."""
    metrics = Metrics(observation.status.figures, observation.tally)
    metrics.registry.register(FilterGauges(filters.border.lists_now, lambda: filters.withheld.count))
    if cluster is not None:
        metrics.registry.register(ClusterGauges(cluster.figures))
    shared.board.subscribe(metrics.notice, *metrics.KINDS)
    join(LagMeter(shared.reactor, metrics.notice))
    pages = {
        **dict(page_files()),
        "/events": EventStream(ViewQuery.read, views.events, shared.reactor),
        "/metrics": Page(lambda: Response(body=metrics.text(), kind=CONTENT_TYPE)),
        "/healthz": Page(ready(shared.endpoints.missing, observation.troubles.now)),
        "/healthz/alive": Page(alive),
    }
    return HTTPDoor(pages, lambda: shared.settings.domains, shared.reactor)
