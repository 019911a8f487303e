"""The http port, made when `[listen]` first asks for it: the page, the metrics and what a monitor asks.

Counters of the metrics that the tally does not have begin here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from twisted.application.service import Service

from gateway.net.listen.few_connections import FewConnections
from gateway.operations.http.door import HTTPDoor, Page, Response
from gateway.operations.http.events import EventStream
from gateway.operations.http.files import page_files
from gateway.operations.http.health import alive, ready
from gateway.operations.http.views import ViewQuery, Views
from gateway.operations.lag import LagMeter
from gateway.operations.metrics import CONTENT_TYPE, ClusterGauges, FilterGauges, Metrics
from gateway.operations.troubles import Trouble
from gateway.run.assembly.border import Filters
from gateway.run.assembly.shared import Shared

if TYPE_CHECKING:
    from gateway.run.assembly.cluster import Clustered


def make_page(
    shared: Shared,
    metrics: Metrics,
    troubles: Callable[[], Iterable[Trouble]],
    filters: Filters,
    cluster: Clustered | None,
    views: Views,
    join: Callable[[Service], None],
) -> FewConnections:
    """Return the factory of the http port, with the metrics, which count from now on."""
    metrics.registry.register(FilterGauges(filters.border.lists_now, lambda: filters.withheld.count))
    if cluster is not None:
        metrics.registry.register(ClusterGauges(cluster.figures))
    shared.board.subscribe(metrics.notice, *metrics.KINDS)
    join(LagMeter(shared.reactor, metrics.notice))
    pages = {
        **dict(page_files()),
        "/events": EventStream(ViewQuery.read, views.events, shared.reactor),
        "/metrics": Page(lambda: Response(body=metrics.text(), kind=CONTENT_TYPE)),
        "/healthz": Page(ready(shared.endpoints.missing, troubles)),
        "/healthz/alive": Page(alive),
    }
    site = HTTPDoor(pages, lambda: shared.settings.domains, shared.reactor)
    return FewConnections(site)
