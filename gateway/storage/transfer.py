"""Copying a database into another one: every table, in one transaction, compared before it is committed.

The columns of a table have the same names in a file and on a server. A digest is over the rows in the order of their
keys, each value with its type and length, so that it is the same for the same rows wherever they are.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.storage.dialects import Dialect, SqlConnection
from gateway.storage.errors import StoreError
from gateway.storage.records import StoreLimits

ROWS = 200
"""Rows that are read and written at a time."""
_SHOWN = 40  # characters of a name that is too long


class NotMigrated(StoreError):
    """Nothing was copied; the message says why, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table, and its columns; the first `keys` of them identify a row, and order the rows."""

    name: str
    columns: tuple[str, ...]
    keys: int = 1
    flags: tuple[str, ...] = ()  # truth values: numbers in a file
    counter: str = ""  # the column whose numbers are never used twice
    only: str = ""  # a condition, for the rows that are worth copying
    named: str = ""  # the column with a name of any length, by which rows are found


@dataclass(frozen=True, kw_only=True)
class Copied:
    """A table that was copied."""

    table: str
    rows: int
    digest: str


class Side(Protocol):
    """A database that is copied from or to."""

    connection: SqlConnection
    dialect: Dialect
    place: str
    name_bytes: float  # the longest name by which it can find a row

    def counter(self, table: Table) -> int:
        """Return the last number that the table has given out."""

    def set_counter(self, table: Table, number: int) -> None:
        """Have the table give out higher numbers than this."""


def copy(source: Side, target: Side, tables: Sequence[Table]) -> list[Copied]:
    """Copy all tables; raise NotMigrated, with nothing changed, if the target has rows or the copy would differ."""
    try:
        source.dialect.begin(source.connection, writes=False)
        target.dialect.begin(target.connection, writes=True)
        try:
            copied = list(_copied(source, target, tables))
            target.dialect.commit(target.connection)
        except BaseException:
            with suppress(target.dialect.error):
                target.dialect.roll_back(target.connection)
            raise
    except (source.dialect.error, target.dialect.error) as error:
        dialect = source.dialect if isinstance(error, source.dialect.error) else target.dialect
        raise NotMigrated(f"a database failed, and nothing was copied: {dialect.describe(error)}") from error
    finally:
        with suppress(source.dialect.error):
            source.dialect.roll_back(source.connection)
    return copied


def _copied(source: Side, target: Side, tables: Sequence[Table]) -> Iterator[Copied]:
    for table in tables:
        if target.connection.execute(f"SELECT 1 FROM {table.name}{_where(table)} LIMIT 1").fetchone() is not None:
            raise NotMigrated(f"{target.place} has rows in its table {table.name}: name a database with nothing in it")
    for table in tables:
        target.connection.execute(f"DELETE FROM {table.name}")  # what is not worth copying
        sent = _RowDigest(table)
        for rows in _slices(source.connection, table):
            _check_names(rows, table, source, target)
            target.connection.executemany(_insert(table), list(sent.counted(rows)))
        if table.counter:
            target.set_counter(table, source.counter(table))
        found = _RowDigest(table)
        for rows in _slices(target.connection, table):
            list(found.counted(rows))
        if (sent.rows, sent.digest) != (found.rows, found.digest):
            raise NotMigrated(
                f"the copy of {table.name} is not like the original ({found.rows} rows instead of {sent.rows}, or other"
                " values), so nothing was kept"
            )
        yield Copied(table=table.name, rows=sent.rows, digest=sent.digest)


def _check_names(rows: Sequence[Sequence[Any]], table: Table, source: Side, target: Side) -> None:
    """Refuse a name that the target cannot find a row by; a file may have it from before there was a limit."""
    if not table.named:
        return
    place = table.columns.index(table.named)
    for row in rows:
        name: str = row[place]
        size = len(name.encode())
        if size > target.name_bytes:
            longer = f"length(CAST({table.named} AS BLOB)) > {target.name_bytes}"
            raise NotMigrated(
                f"{source.place} has a name in its table {table.name} that is too long for a server to find it by,"
                f" {size} bytes instead of at most {target.name_bytes}: {name[:_SHOWN]!r}... Delete such rows and try"
                f' again: sqlite3 {source.place} "DELETE FROM {table.name} WHERE {longer}"'
            )


class _RowDigest:
    """Counts and digests the rows of a table."""

    def __init__(self, table: Table) -> None:
        self.rows = 0
        self._digest = hashlib.sha256()
        self._flags = [table.columns.index(flag) for flag in table.flags]

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def counted(self, rows: Iterable[Sequence[Any]]) -> Iterator[list[Any]]:
        """Yield the rows, with flags as truth values."""
        for row in rows:
            values = list(row)
            for place in self._flags:
                values[place] = bool(values[place])
            self.rows += 1
            self._digest.update(b"".join(map(_encoded, values)))
            yield values


def _encoded(value: Any) -> bytes:
    match value:
        case None:
            return b"n"
        case bool() | int():
            return b"i%d;" % value
        case float():
            return b"f" + struct.pack(">d", value)
        case str():
            text = value.encode()
            return b"t%d:%b" % (len(text), text)
        case _:
            content = bytes(value)
            return b"b%d:%b" % (len(content), content)


def _where(table: Table, more: str = "") -> str:
    conditions = [each for each in (table.only, more) if each]
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _slices(connection: SqlConnection, table: Table) -> Iterator[list[Any]]:
    """Yield the rows in the order of their keys, some at a time."""
    keys = ", ".join(table.columns[: table.keys])
    columns = ", ".join(table.columns)
    after = f"({keys}) > ({', '.join('?' * table.keys)})"
    where, last = _where(table), ()
    while True:
        statement = f"SELECT {columns} FROM {table.name}{where} ORDER BY {keys} LIMIT {ROWS}"
        rows = connection.execute(statement, last).fetchall()
        if not rows:
            return
        yield rows
        where, last = _where(table, after), tuple(rows[-1][: table.keys])


def _insert(table: Table) -> str:
    return f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({', '.join('?' * len(table.columns))})"


class FileSide:
    """A database in a file."""

    name_bytes: float = float("inf")

    def __init__(self, connection: SqlConnection, dialect: Dialect, place: str) -> None:
        self.connection = connection
        self.dialect = dialect
        self.place = place

    def counter(self, table: Table) -> int:
        row = self.connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table.name,)).fetchone()
        return 0 if row is None else int(row[0])

    def set_counter(self, table: Table, number: int) -> None:
        self.connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (table.name,))
        self.connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table.name, number))


class ServerSide:
    """A database on a server."""

    name_bytes: float = StoreLimits.name_bytes

    def __init__(self, connection: SqlConnection, dialect: Dialect, place: str) -> None:
        self.connection = connection
        self.dialect = dialect
        self.place = place

    def counter(self, table: Table) -> int:
        (name,) = self._sequence(table)
        last, is_used = self.connection.execute(f"SELECT last_value, is_called FROM {name}").fetchone()
        return int(last) if is_used else int(last) - 1

    def set_counter(self, table: Table, number: int) -> None:
        (name,) = self._sequence(table)
        if number:
            self.connection.execute("SELECT setval(?::regclass, ?, true)", (name, number))

    def _sequence(self, table: Table) -> Any:
        return self.connection.execute("SELECT pg_get_serial_sequence(?, ?)", (table.name, table.counter)).fetchone()


ACCOUNT_TABLES = (
    Table(
        name="accounts",
        columns=("id", "address", "epoch", "roster_version", "roster_forgotten"),
        counter="id",
    ),
    Table(name="keys", columns=("account", "hash", "salt", "iterations", "stored_key", "server_key"), keys=2),
    Table(
        name="roster",
        columns=("account", "contact", "name", "groups", "subscription", "ask", "approved", "version"),
        keys=2,
        flags=("ask", "approved"),
    ),
    Table(name="removals", columns=("account", "contact", "version"), keys=2),
    Table(name="requests", columns=("account", "contact", "stanza"), keys=2),
    Table(name="offline", columns=("id", "account", "bytes", "stanza"), counter="id"),
    Table(name="blocked", columns=("account", "address"), keys=2, named="address"),
    Table(name="documents", columns=("account", "name", "content"), keys=2, named="name"),
    Table(name="service_values", columns=("service", "key", "content"), keys=2, named="key"),
)
"""The tables of the accounts, so that each row comes after those it refers to."""
