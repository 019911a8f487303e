"""The schema of a database on a server: made, and brought up to date, before anything else is done.

Accounts and outbox may share a database: each has its own part, with its own number. A migration is one transaction,
and a lock lets one process at a time migrate.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

import psycopg

from gateway.storage.postgresql.troubles import ServerTrouble, UnusableDatabase

_LOCK = 0x58_4D_50_47  # "XMPG"
_PARTS = 'CREATE TABLE IF NOT EXISTS xmpp_gateway_schema (part text COLLATE "C" PRIMARY KEY, version integer NOT NULL)'


@dataclass(frozen=True, kw_only=True)
class Part:
    """Tables that belong together; `package` has their migrations in its folder schema."""

    name: str
    package: str

    def schemas(self) -> list[str]:
        """Return the steps from nothing to the newest schema, in order."""
        folder = resources.files(self.package).joinpath("schema")
        count = sum(entry.name.endswith(".sql") for entry in folder.iterdir())
        return [folder.joinpath(f"v{number}.sql").read_text("utf-8") for number in range(1, count + 1)]


ACCOUNTS = Part(name="accounts", package="gateway.storage.postgresql")
"""Accounts and their data."""


def bring_up_to_date(connection: psycopg.Connection[Any], part: Part) -> None:
    """Run the steps that this database lacks; raise UnusableDatabase if it is another program's, or a newer one."""
    steps = part.schemas()
    found = _version(connection, part)
    if found == len(steps):
        return
    if found > len(steps):
        raise UnusableDatabase(
            ServerTrouble.NEWER,
            f"the tables of the {part.name} have schema {found} and were written by a newer xmpp-gateway; "
            f"this one knows schema {len(steps)}",
        )
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            connection.execute(_PARTS)
            for number in range(_version(connection, part), len(steps)):
                connection.execute(steps[number].encode())
                connection.execute(
                    "INSERT INTO xmpp_gateway_schema VALUES (%s, %s)"
                    " ON CONFLICT (part) DO UPDATE SET version = excluded.version",
                    (part.name, number + 1),
                )
    except psycopg.errors.DuplicateTable as error:
        raise UnusableDatabase(
            ServerTrouble.FOREIGN, f"the database has tables of another program: {error.diag.message_primary}"
        ) from error


def _version(connection: psycopg.Connection[Any], part: Part) -> int:
    """Return the schema of a part; 0 when it is not there yet."""
    (table,) = connection.execute("SELECT to_regclass('xmpp_gateway_schema')").fetchone() or (None,)
    if table is None:
        return 0
    row = connection.execute("SELECT version FROM xmpp_gateway_schema WHERE part = %s", (part.name,)).fetchone()
    return 0 if row is None else int(row[0])
