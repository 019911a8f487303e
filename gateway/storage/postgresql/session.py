"""A session: one connection to a server, which is opened again when it breaks, and its dialect.

A server is restarted now and then. So a transaction whose connection breaks is undone, and done again on a new
connection; the jobs of a queue are functions that may run twice. For PATIENCE_SECONDS after the break callers notice
only a delay; later transactions fail at once, until the server is there again.

When the connection breaks during COMMIT, nobody knows whether the server has done it. But the server knows: it is asked
for the state of the transaction, and only one that was undone is done again. So nothing is written twice.

Everything here except `fault` and `hurry` runs in the one thread that may wait for the server.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import psycopg

from gateway.storage.dialects import Rows, SqlConnection
from gateway.storage.health import StoreFault
from gateway.storage.postgresql.driver import ServerDatabase, translate
from gateway.storage.postgresql.troubles import (
    ServerTrouble,
    describe,
    is_of_the_job,
    is_worth_another_attempt,
    trouble_of,
)

T = TypeVar("T")

PATIENCE_SECONDS = 10.0
"""Seconds after a connection broke for which transactions wait for the server."""
PAUSE_SECONDS = 0.1
"""Seconds between two attempts to connect."""
ATTEMPTS = 5
"""How often one transaction is begun at most, so that one that breaks its connection does not go on for ever."""


class DatabaseSession:
    """One connection to a database on a server; it is a SqlConnection for the SQL that all databases share."""

    def __init__(
        self,
        database: ServerDatabase,
        prepare: Callable[[psycopg.Connection[Any]], None],
        *,
        guard: Callable[[psycopg.Connection[Any]], None] = lambda connection: None,
        patience: float = PATIENCE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`prepare` is called with each new connection before it is used, `guard` when a transaction begins to write.

        Both may raise psycopg.Error.
        """
        self.database = database
        self.error: psycopg.Error | None = None  # why there is no connection
        self._prepare = prepare
        self._guard = guard
        self._patience = patience
        self._monotonic = monotonic
        self._sleep = sleep
        self._connection: psycopg.Connection[Any] | None = None
        self._broke_at: float | None = None
        self._next_attempt = float("-inf")
        self._transaction: str | None = None  # the number of the one that writes
        self._is_in_doubt = False
        self._attempts = 0

    # -- SqlConnection ------------------------------------------------------------------------------------------------

    def execute(self, statement: str, arguments: Any = (), /) -> Rows:
        return cast(Rows, self._open().execute(translate(statement).encode(), arguments or None))

    def executemany(self, statement: str, rows: Iterable[Any], /) -> None:
        with self._open().cursor() as cursor:
            cursor.executemany(translate(statement).encode(), rows)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # -- transactions -------------------------------------------------------------------------------------------------

    def begin(self, *, writes: bool) -> None:
        """Begin a transaction, on a new connection if there is none; raise psycopg.Error."""
        self._attempts += 1
        self._transaction = None
        self._is_in_doubt = False
        connection = self._connected()
        if not writes:
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return
        answer = connection.execute("BEGIN; SELECT pg_current_xact_id()::text")
        answer.nextset()
        (self._transaction,) = answer.fetchone() or (None,)
        self._guard(connection)

    def commit(self) -> None:
        """Commit the transaction; when the connection breaks meanwhile, ask on a new one whether that was done."""
        connection = self._open()
        try:
            answer = connection.execute("COMMIT")
            if answer.statusmessage != "COMMIT":
                raise psycopg.errors.InFailedSqlTransaction("the server has undone the transaction")
        except psycopg.Error as error:
            if trouble_of(error) is not ServerTrouble.AWAY or self._transaction is None:
                raise
            if not self._was_committed(self._transaction):
                raise
        self._attempts = 0

    def roll_back(self) -> None:
        """Undo the transaction; with a broken connection the server has done that."""
        if self._connection is not None and not self._connection.broken:
            self._connection.execute("ROLLBACK")

    def retry(self, error: Exception) -> Exception | None:
        """Return None if an undone transaction should be begun again; wait for a server that has just gone away.

        Otherwise return the error to report.
        """
        reason: Exception | None = error
        is_away = trouble_of(error) is ServerTrouble.AWAY
        if is_away:
            self._lost()
        if not self._is_in_doubt and self._attempts < ATTEMPTS:
            if is_worth_another_attempt(error):
                reason = None
            elif is_away:
                reason = None if self._reconnected() else self.error
        if reason is not None:
            self._attempts = 0
        return reason

    def hurry(self) -> None:
        """Wait no longer for a server that is away: the gateway is about to stop."""
        self._patience = 0

    # -- the life of the connection -----------------------------------------------------------------------------------

    def _open(self) -> psycopg.Connection[Any]:
        """Return the connection, which is not replaced in the midst of a transaction."""
        if self._connection is None:
            return self._connected()
        return self._connection

    def _connected(self) -> psycopg.Connection[Any]:
        """Return the connection, or a new one if it broke; raise psycopg.Error."""
        if self._connection is not None and not self._connection.broken:
            return self._connection
        self._lost()
        began = self._monotonic()
        if self.error is not None and began < self._next_attempt:
            raise self.error
        try:
            connection = self.database.connect()
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
        except psycopg.Error as error:
            self.error = error
            # Not all who wait behind a server that does not even refuse are to wait for that again.
            now = self._monotonic()
            self._next_attempt = now + (now - began)
            raise
        self._connection, self._broke_at, self.error = connection, None, None
        return connection

    def _lost(self) -> None:
        """Record that there is no connection."""
        if self._broke_at is None:
            self._broke_at = self._monotonic()
        self.close()

    def _reconnected(self) -> bool:
        """Connect again as long as patience lasts; return whether that was possible."""
        while True:
            try:
                self._connected()
                return True
            except psycopg.Error as error:
                if trouble_of(error) is not ServerTrouble.AWAY or not self._has_patience():
                    return False
            self._sleep(PAUSE_SECONDS)

    def _has_patience(self) -> bool:
        return self._broke_at is not None and self._monotonic() - self._broke_at < self._patience

    def _was_committed(self, transaction: str) -> bool:
        """Ask on a new connection whether a transaction was committed; if nobody can tell, it stays in doubt."""
        self._is_in_doubt = True
        self._lost()
        deadline = self._monotonic() + self._patience
        while self._reconnected():
            state = _state_of(self._open(), transaction)
            if state in ("committed", "aborted"):
                self._is_in_doubt = False
                return state == "committed"
            # The old session has not noticed yet that we are gone, and may still commit.
            if self._monotonic() > deadline:
                break
            self._sleep(PAUSE_SECONDS)
        return False


def _state_of(connection: psycopg.Connection[Any], transaction: str) -> str:
    """Return what the server knows of a transaction."""
    try:
        row = connection.execute("SELECT pg_xact_status(%s::xid8)", (transaction,)).fetchone()
    except psycopg.errors.InvalidParameterValue:
        return "aborted"  # it lies in the future: the server crashed before anything of it was on the disk
    except psycopg.Error:
        return ""
    return "" if row is None else str(row[0])


class PostgresqlDialect:
    """PostgreSQL; its connections are Sessions."""

    error: type[Exception] = psycopg.Error

    def begin(self, connection: SqlConnection, *, writes: bool) -> None:
        cast(DatabaseSession, connection).begin(writes=writes)

    def commit(self, connection: SqlConnection) -> None:
        cast(DatabaseSession, connection).commit()

    def roll_back(self, connection: SqlConnection) -> None:
        cast(DatabaseSession, connection).roll_back()

    def is_of_the_job(self, error: Exception) -> bool:
        return is_of_the_job(error)

    def retry(self, connection: SqlConnection, error: Exception) -> Exception | None:
        return cast(DatabaseSession, connection).retry(error)

    def describe(self, error: Exception) -> str:
        return describe(error)

    def fault_of(self, error: BaseException | None) -> StoreFault | None:
        return fault_of(error)


POSTGRESQL = PostgresqlDialect()


def fault_of(error: BaseException | None) -> StoreFault | None:
    """Return the fault of the accounts' database that an error means; None for any other error."""
    trouble = trouble_of(error)
    if trouble is None or error is None:
        return None
    sentence = f"{_SENTENCES[trouble]}: {describe(error)}"
    return StoreFault(word=trouble.word, sentence=sentence, remedy=trouble.remedy)


_SENTENCES = {
    ServerTrouble.AWAY: "the accounts' database cannot be reached, so nobody can log in",
    ServerTrouble.REFUSED: "the server of the accounts' database refuses the gateway",
    ServerTrouble.CROWDED: "the server of the accounts' database has no connection left for the gateway",
    ServerTrouble.FULL: "the disk of the accounts' database is full, so accounts cannot be changed",
    ServerTrouble.READ_ONLY: "the accounts' database cannot be written",
    ServerTrouble.LOCKED: "another session holds the accounts' database locked, or the server is too slow",
    ServerTrouble.NOT_PERMITTED: "the gateway's user may not use the tables of the accounts",
    ServerTrouble.FOREIGN: "the accounts' database belongs to another program",
    ServerTrouble.NEWER: "a newer version of the gateway has written the accounts' database",
    ServerTrouble.TAKEN_OVER: "another gateway uses the accounts' database",
    ServerTrouble.BROKEN: "the accounts' database reports errors",
}
