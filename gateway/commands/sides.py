"""Both ends of a migration: from a URL to a database that is open for a copy, and has its tables."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.outbox.database import KIND
from gateway.storage.dialects import SQLITE
from gateway.storage.files import ACCOUNTS, FileKind, UnusableFile, open_file
from gateway.storage.opening import HOW_TO_WRITE
from gateway.storage.transfer import ACCOUNT_TABLES, FileSide, NotMigrated, ServerSide, Side, Table
from gateway.storage.urls import is_postgresql, shown

OUTBOX_TABLES = (
    Table(name="about", columns=("name", "value"), only="name <> 'look'"),
    Table(
        name="domain",
        columns=("name", "held", "failures", "failing_since", "definite_since", "verdict", "reason"),
        flags=("held",),
    ),
    Table(name="pair", columns=("id", "sender", "target", "read_upto")),
    Table(
        name="chunk",
        columns=(
            "sequence",
            "pair",
            "accepted",
            "expires",
            "count",
            "live",
            "done",
            "bytes",
            "sealed",
            "key",
            "content",
        ),
        flags=("sealed",),
    ),
    Table(
        name="aside",
        columns=("number", "sender", "target", "accepted", "sealed", "reason", "content"),
        flags=("sealed",),
    ),
    Table(
        name="withheld",
        columns=("number", "sender", "target", "accepted", "expires", "rule", "sealed", "content"),
        flags=("sealed",),
        counter="number",
    ),
)
"""The tables of the outbox. Sealed rows are bound to their numbers, which a copy keeps."""

TABLES = {"accounts": ACCOUNT_TABLES, "outbox": OUTBOX_TABLES}
_KINDS: dict[str, FileKind] = {"accounts": ACCOUNTS, "outbox": KIND}


@contextmanager
def opened(what: str, url: str, state: Path, *, is_source: bool, schema: str | None = None) -> Iterator[Side]:
    """Open a database of accounts or of an outbox; raise NotMigrated if that is impossible.

    `schema` is where the outbox of a node of a cluster is on a server.
    """
    if is_postgresql(url):
        with _on_server(what, url, schema) as side:
            yield side
        return
    kind, _, name = url.partition(":")
    if kind != "sqlite" or not name:
        raise NotMigrated(f"{shown(url)!r} is nothing to copy {'from' if is_source else 'to'}: {HOW_TO_WRITE}")
    file = state / name
    if is_source and not file.exists():
        raise NotMigrated(f"there is no {file}, so there is nothing to copy")
    try:
        connection = open_file(file, _KINDS[what])
    except UnusableFile as error:
        raise NotMigrated(str(error)) from error
    try:
        yield FileSide(connection, SQLITE, str(file))
    finally:
        connection.close()


@contextmanager
def _on_server(what: str, url: str, schema: str | None) -> Iterator[Side]:
    # Imported here: only a server needs psycopg.
    from gateway.storage.postgresql.driver import BadURL, database_of

    try:
        database = database_of(url)
    except BadURL as error:
        raise NotMigrated(str(error)) from error
    from gateway.outbox.postgresql.database import ServerOutboxDatabase
    from gateway.storage.postgresql.session import POSTGRESQL, DatabaseSession
    from gateway.storage.postgresql.store import prepare

    if what == "outbox":
        session = ServerOutboxDatabase(database, schema=schema).session(patience=0)
    else:
        session = DatabaseSession(database, prepare, patience=0)
    try:
        yield ServerSide(session, POSTGRESQL, database.place)
    finally:
        session.close()
