"""Joining a cluster: the parts of a gateway that is one of several, made only where `[cluster]` asks for them.

They are imported here, and nowhere else, so that a gateway that is alone has nothing of them in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.run.assembly.outbox import Kept
from gateway.run.assembly.routing import Routing
from gateway.run.assembly.serving import Served
from gateway.run.assembly.shared import Shared
from gateway.storage.urls import is_postgresql

if TYPE_CHECKING:
    from gateway.run.assembly.cluster import Clustered
    from gateway.run.assembly.takeover import Takeover


def join_cluster(shared: Shared, routing: Routing, served: Served) -> Clustered | None:
    """Return the node that this gateway is; None if it is alone."""
    settings = shared.settings.cluster
    if settings is None:
        return None
    from gateway.run.assembly.cluster import node_of

    return node_of(shared, routing, served, settings)


def take_over(shared: Shared, clustered: Clustered, kept: Kept) -> Takeover | None:
    """Return what delivers the outboxes of nodes that are gone; None if the outboxes are not on a server."""
    settings = shared.settings
    if settings.cluster is None or not is_postgresql(settings.outbox.url):
        return None
    from gateway.run.assembly.takeover import OutboxesOnServer, Takeover

    outboxes = OutboxesOnServer(settings.outbox.url, settings.cluster.name, shared.reactor, settings.outbox.key_file)
    return Takeover(clustered.node, kept, outboxes, shared.reactor, shared.board.publish)
