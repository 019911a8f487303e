"""The database file: created for its owner only, opened for durable writes, migrated to the newest schema.

Durability: with a write-ahead log and `synchronous=FULL` a commit is on the disk when it returns, so neither SIGKILL
nor a power failure loses what was acknowledged. NORMAL would save the wait and lose the last commits when the power
fails. The log also lets another process (`xmpp-gateway account`) read and write while the service runs: each waits for
the other's transaction, at most `BUSY_SECONDS`.

Migrations: `schema/v<n>.sql` takes schema n-1 to n. Each runs in one transaction together with its number (`PRAGMA
user_version`), so a crash leaves the old schema or the new one, and two processes do not both migrate.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from sqlite3 import Connection

BUSY_SECONDS = 5
APPLICATION_ID = 0x58_4D_50_47  # "XMPG": by which `file` and we recognise the database

# Offsets in SQLite's file format (https://www.sqlite.org/fileformat.html §1.3).
_HEADER_BYTES, _MAGIC, _APPLICATION_ID_AT = 100, b"SQLite format 3\0", 68
_REPAIR = "restore it from a backup, or move it out of the way: then a new one is made"
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "trusted_schema = OFF",
    "temp_store = MEMORY",  # else what a savepoint changes is written to another folder, in plain text
)


@dataclass(frozen=True, kw_only=True)
class FileKind:
    """A kind of database file: how it is recognised, and where its migrations are."""

    application_id: int
    package: str  # whose folder schema/ contains v1.sql, v2.sql ...
    pragmas: tuple[str, ...] = _PRAGMAS


ACCOUNTS = FileKind(application_id=APPLICATION_ID, package="gateway.storage")
"""Accounts and their data."""


class UnusableFile(Exception):
    """The file cannot be our database; the message says why, and what to do."""


class ForeignFile(UnusableFile):
    """The file is not a database, or is the database of another program."""


class NewerSchema(UnusableFile):
    """A newer version of the gateway has written the file."""


def glance(path: Path, kind: FileKind = ACCOUNTS) -> None:
    """Raise UnusableFile if a file is clearly not one of our databases; SQLite does not open it."""
    try:
        if path.is_fifo():  # reading it would wait for ever
            raise ForeignFile(f"{path} is a named pipe: name another file, or move it out of the way")
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return  # the user who checks a configuration need not be the gateway's user
    except OSError as error:
        raise UnusableFile(f"cannot read {path}: {error.strerror}") from error
    application = int.from_bytes(header[_APPLICATION_ID_AT : _APPLICATION_ID_AT + 4], "big")
    if header and not header.startswith(_MAGIC):
        raise ForeignFile(f"{path} is not a database: name another file, or move it out of the way")
    if application not in (0, kind.application_id):
        raise ForeignFile(f"{path} is a database of another {_whose(application)}: name another file")


def examine(path: Path, kind: FileKind = ACCOUNTS) -> None:
    """Open a database that is there, without changing it; raise UnusableFile if the service could not use it."""
    if not path.is_file():
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)) as found:
            _check_owner(found, path, kind)
    except sqlite3.Error as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:  # then somebody uses it
            raise UnusableFile(f"cannot open {path}: {error}; {_REPAIR}") from error


def _whose(application: int) -> str:
    """Return the owner of that application id: another program, or another of our databases."""
    return "kind" if application >> 8 == APPLICATION_ID >> 8 else "program's"


def open_file(path: Path, kind: FileKind = ACCOUNTS) -> Connection:
    """Open a database, or create it, with the newest schema; raise UnusableFile if that is impossible."""
    try:
        _make_private(path)
        connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        problem = error.strerror if isinstance(error, OSError) else error
        raise UnusableFile(f"cannot open {path}: {problem}; the gateway's user must be able to write there") from error
    try:
        prepare(connection, path, kind)
    except BaseException:
        connection.close()
        raise
    return connection


def prepare(connection: Connection, path: Path, kind: FileKind = ACCOUNTS) -> None:
    """Set up a new connection and migrate the file to the newest schema."""
    try:
        _check_owner(connection, path, kind)
        for pragma in kind.pragmas:
            _set(connection, pragma)
        migrate(connection, load_schemas(kind), kind)
    except sqlite3.Error as error:
        raise UnusableFile(
            f"cannot use {path}: {error}; it must be a database of this gateway, or not exist"
        ) from error


def _set(connection: Connection, pragma: str) -> None:
    """Set a pragma, and retry: SQLite does not wait by itself while another process switches the file to its log."""
    patience = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute(f"PRAGMA {pragma}").fetchall()
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                raise
            time.sleep(0.01)


def load_schemas(kind: FileKind = ACCOUNTS) -> list[str]:
    """Return the steps from an empty file to the newest schema, in order."""
    folder = resources.files(kind.package).joinpath("schema")
    count = sum(entry.name.endswith(".sql") for entry in folder.iterdir())
    return [folder.joinpath(f"v{number}.sql").read_text("utf-8") for number in range(1, count + 1)]


def migrate(connection: Connection, schemas: list[str], kind: FileKind = ACCOUNTS) -> None:
    """Run the steps that this database lacks."""
    while read_schema_version(connection) < len(schemas):
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = read_schema_version(connection)  # another process may have migrated first
            for statement in split_statements("".join(schemas[version : version + 1])):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {kind.application_id}")
            connection.execute(f"PRAGMA user_version = {min(version + 1, len(schemas))}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def read_schema_version(connection: Connection) -> int:
    """Return the schema of the file; 0 for a new one."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def split_statements(script: str) -> Iterator[str]:
    """Yield the statements of a script one by one, because `executescript` would commit the surrounding transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _make_private(path: Path) -> None:
    """Create a missing folder with mode 0700 and the file with mode 0600; SQLite gives its log the mode of the file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
            os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)


def _check_owner(connection: Connection, path: Path, kind: FileKind) -> None:
    """Refuse, before anything is changed, a database of another program or of a newer version."""
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if tables and application != kind.application_id:
        raise ForeignFile(f"{path} is a database of another {_whose(application)}: name another file")
    version, newest = read_schema_version(connection), len(load_schemas(kind))
    if version > newest:
        raise NewerSchema(
            f"{path} has schema {version} and was written by a newer xmpp-gateway; this one knows schema {newest}: "
            "install the newer one, or restore a copy from before the upgrade"
        )
