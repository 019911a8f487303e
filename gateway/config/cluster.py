"""`[cluster]`: the table, and what cannot be shared by several nodes."""

from __future__ import annotations

import socket
from dataclasses import replace
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from gateway.cluster.names import NODE_NAME
from gateway.config.reading import Reading
from gateway.config.settings import ClusterSettings, ComponentDomain, ImDomain, Settings
from gateway.config.tables import read_section
from gateway.storage.urls import is_postgresql

KEY = "cluster"
MOST_STANZA_BYTES = 900_000
"""The longest stanza that fits into a message of NATS, which by default carries 1 MiB."""
LEAST_SECRET = 32
MOST_NAMES = 55
"""The most characters of the names of cluster and node together: PostgreSQL takes 63 of a schema's name."""


def read_cluster(reading: Reading, tables: dict[str, Any]) -> ClusterSettings | None:
    """Return the table; None if there is none, so that this is one process alone."""
    if KEY not in tables:
        return None
    settings = read_section(reading, tables, KEY, ClusterSettings)
    return settings if settings.node else replace(settings, node=socket.gethostname().partition(".")[0])


def check_cluster(reading: Reading, settings: Settings) -> None:
    """Record what is wrong with the table, and what is configured that a cluster cannot do."""
    cluster = settings.cluster
    if cluster is None:
        return
    for key in ("name", "node"):
        if not NODE_NAME.fullmatch(name := getattr(cluster, key) or ""):
            reading.wrong((KEY, key), f"{name!r} is not a name: letters, digits and hyphens, at most 63")
    for url in cluster.url or ():
        _check_url(reading, url)
    if cluster.secret is not None and len(cluster.secret.text) < LEAST_SECRET:
        reading.wrong(
            (KEY, "secret"), f"is shorter than {LEAST_SECRET} characters: make one with `openssl rand -hex 32`"
        )
    if cluster.token is not None and cluster.user is not None:
        reading.wrong((KEY, "token"), "is set, and so is user: remove one of the two")
    if find_spec("nats") is None:
        reading.wrong((KEY,), "needs the library for NATS: pip install 'xmpp-gateway[cluster]'")
    if settings.domains_of(ImDomain):
        _check_accounts(reading, settings, cluster)
    if is_postgresql(settings.outbox.url or "") and len(cluster.name) + len(cluster.node) > MOST_NAMES:
        problem = (
            f"and `name` have more than {MOST_NAMES} characters together: shorten one, because the node's schema in the"
        )
        reading.wrong((KEY, "node"), f"{problem} database of [outbox] is named after both")
    _check_sizes(reading, settings)


def _check_accounts(reading: Reading, settings: Settings, cluster: ClusterSettings) -> None:
    """Check what accounts need that live on several nodes."""
    if not is_postgresql(settings.storage.url or ""):
        problem = "must name a PostgreSQL server, because the nodes of a cluster share the accounts"
        reading.wrong(("storage", "url"), f'{problem}: "postgresql://USER@HOST/DATABASE"')
    if cluster.clients is None:
        reading.wrong((KEY, "clients"), "is needed with accounts: where clients reach this node, as HOST or HOST:PORT")
    elif not _is_host(cluster.clients):
        reading.wrong((KEY, "clients"), f"{cluster.clients!r} is not a host, such as a.example.com or 192.0.2.1:5222")
    for component in settings.domains_of(ComponentDomain):
        problem = "cannot be used in a cluster with accounts yet: remove it, or run one gateway alone (docs/cluster.md)"
        for key in ("privileges", "delegations"):
            if getattr(component, key):
                reading.wrong(("domains", component.domain, key), problem)


def _is_host(text: str) -> bool:
    try:
        parts = urlsplit(f"//{text}")
        is_plain = all(each.isalnum() or each in ".-:[]" for each in text)
        return is_plain and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _check_url(reading: Reading, url: str) -> None:
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("nats", "tls") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if "@" in url:  # what stands before it is not repeated
        reading.wrong((KEY, "url"), "must not contain a user name or password: use `user` and `password_file`")
    elif not is_usable:
        reading.wrong((KEY, "url"), f"{url!r} is not the URL of a NATS server, such as nats://127.0.0.1:4222")


def _check_sizes(reading: Reading, settings: Settings) -> None:
    """Check that every stanza that may be accepted can cross."""
    problem = f"is too large for a cluster: at most {MOST_STANZA_BYTES}, because NATS carries no larger messages"
    for key in ("component_stanza_bytes", "client_stanza_bytes"):
        if (getattr(settings.limits, key) or 0) > MOST_STANZA_BYTES:
            reading.wrong(("limits", key), problem)
    for name, peer in (("any", settings.peers.any), *settings.peers.entries.items()):
        if (peer.stanza_bytes or 0) > MOST_STANZA_BYTES:
            reading.wrong(("peers", name, "stanza_bytes"), problem)
