"""Dialects: what differs between the kinds of databases whose connections run the same SQL.

The SQL of accounts and of the outbox is written once, in what SQLite and PostgreSQL both understand: `?` for arguments,
`ON CONFLICT`, `RETURNING`. A dialect knows the rest: how a transaction begins and ends, which errors are those of one
job, and what the others mean.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from gateway.storage.health import StoreFault, fault_of


class Rows(Protocol):
    """The answer to a statement."""

    @property
    def rowcount(self) -> int:
        """The number of rows that the statement has changed."""

    def __iter__(self) -> Iterator[Any]: ...

    def fetchone(self) -> Any:
        """Return the next row; None when there is none."""

    def fetchall(self) -> list[Any]:
        """Return the remaining rows."""


class SqlConnection(Protocol):
    """A connection to a database, used by one thread at a time."""

    def execute(self, statement: str, arguments: Any = ..., /) -> Rows:
        """Run a statement."""

    def executemany(self, statement: str, rows: Iterable[Any], /) -> Any:
        """Run a statement once for each row of arguments."""

    def close(self) -> None:
        """Close it."""


class Dialect(Protocol):
    """The ways of one kind of database."""

    @property
    def error(self) -> type[Exception]:
        """The class of all errors of its connections."""

    def begin(self, connection: SqlConnection, *, writes: bool) -> None:
        """Begin a transaction."""

    def commit(self, connection: SqlConnection) -> None:
        """End the transaction; what it wrote survives a crash from now on."""

    def roll_back(self, connection: SqlConnection) -> None:
        """Undo the transaction, if there still is one."""

    def is_of_the_job(self, error: Exception) -> bool:
        """Return whether an error concerns one job alone; any other is the database's: away, full, locked, damaged."""

    def retry(self, connection: SqlConnection, error: Exception) -> Exception | None:
        """Return None if a transaction that was undone should be begun again, after a wait if necessary.

        Otherwise return the error to report, which may be a later one.
        """

    def describe(self, error: Exception) -> str:
        """Return an error of the database in one line."""

    def fault_of(self, error: BaseException | None) -> StoreFault | None:
        """Return the fault of the database that an error means; None for any other error."""


class SqliteDialect:
    """SQLite: a writer has the file alone, and waits for it when the transaction begins."""

    error: type[Exception] = sqlite3.Error

    def begin(self, connection: SqlConnection, *, writes: bool) -> None:
        connection.execute("BEGIN IMMEDIATE" if writes else "BEGIN")

    def commit(self, connection: SqlConnection) -> None:
        connection.execute("COMMIT")

    def roll_back(self, connection: SqlConnection) -> None:
        connection.execute("ROLLBACK")

    def is_of_the_job(self, error: Exception) -> bool:
        return isinstance(
            error,
            sqlite3.IntegrityError | sqlite3.ProgrammingError | sqlite3.InterfaceError | sqlite3.DataError,
        )

    def retry(self, connection: SqlConnection, error: Exception) -> Exception | None:
        return error

    def describe(self, error: Exception) -> str:
        return str(error)

    def fault_of(self, error: BaseException | None) -> StoreFault | None:
        return fault_of(error)


SQLITE: Dialect = SqliteDialect()
