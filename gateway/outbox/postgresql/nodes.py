"""The outboxes of the nodes of a cluster in one database: each has its own schema.

The names of a cluster and of a node have no underscore, so no two nodes share a schema.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from gateway.storage.postgresql.driver import ServerDatabase


def schema_of(cluster: str, node: str) -> str:
    """Return the schema of a node's outbox."""
    return f"outbox_{cluster}_{node}"


def enter(connection: psycopg.Connection[Any], schema: str) -> None:
    """Make the schema unless it is there, and have the connection use it alone."""
    name = sql.Identifier(schema)
    if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() is None:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(name))
    connection.execute(sql.SQL("SET search_path TO {}").format(name))


def nodes_with_outbox(database: ServerDatabase, cluster: str) -> list[str]:
    """Return the nodes of a cluster that have ever had an outbox in this database; raise psycopg.Error."""
    prefix = schema_of(cluster, "")
    with database.connect() as connection:
        rows = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s) ORDER BY nspname", (prefix,)
        ).fetchall()
    return [str(name).removeprefix(prefix) for (name,) in rows]
