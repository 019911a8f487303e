"""The database of an outbox on a server: opening it, the meaning of its errors, and its one owner.

An outbox has one owner at a time, which knows its numbers and counts its stanzas. The owner is a session: it holds an
advisory lock that the server releases when the session ends. Each opening also begins a new epoch, and each transaction
that writes compares its own: so a process that was stopped for some time, and whose outbox another process has taken
over, no longer changes anything.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection
from typing import Any

import psycopg

from gateway.outbox import statements
from gateway.outbox.conditions import Condition
from gateway.outbox.databases import Opened, condition_within, take_stock
from gateway.outbox.errors import OutboxUnavailable
from gateway.outbox.postgresql.nodes import enter
from gateway.outbox.sealing import Seal, WrongKey
from gateway.storage.dialects import SqlConnection
from gateway.storage.postgresql.driver import ServerDatabase
from gateway.storage.postgresql.schemas import Part, bring_up_to_date
from gateway.storage.postgresql.session import POSTGRESQL, DatabaseSession
from gateway.storage.postgresql.troubles import ServerTrouble, UnusableDatabase, describe, trouble_of

OUTBOX = Part(name="outbox", package="gateway.outbox.postgresql")

_LOCK = 0x58_4D_50_4F  # "XMPO"
_LOCK_SECONDS = 2.0  # a session of a process that has just ended may be there a moment longer
_PAUSE_SECONDS = 0.1

_CONDITIONS = {
    ServerTrouble.AWAY: Condition.AWAY,
    ServerTrouble.REFUSED: Condition.REFUSED,
    ServerTrouble.CROWDED: Condition.CROWDED,
    ServerTrouble.FULL: Condition.DISK_FULL,
    ServerTrouble.READ_ONLY: Condition.STANDBY,
    ServerTrouble.LOCKED: Condition.LOCKED,
    ServerTrouble.NOT_PERMITTED: Condition.FORBIDDEN,
    ServerTrouble.FOREIGN: Condition.FOREIGN,
    ServerTrouble.NEWER: Condition.NEWER,
    ServerTrouble.TAKEN_OVER: Condition.TAKEN_OVER,
    ServerTrouble.BROKEN: Condition.BROKEN,
}


def condition_of(error: BaseException) -> tuple[Condition, str]:
    """Return the meaning of a server's error, and its message: of the error, or of its cause."""
    return condition_within(error, _meaning, Condition.BROKEN)


def _meaning(error: BaseException) -> tuple[Condition, str] | None:
    trouble = trouble_of(error)
    return None if trouble is None else (_CONDITIONS[trouble], describe(error))


class ServerOutboxDatabase:
    """The database that a URL names; an IOutboxDatabase."""

    dialect = POSTGRESQL

    def __init__(
        self,
        database: ServerDatabase,
        seal: Seal | None = None,
        *,
        schema: str | None = None,
        takes_over: bool = False,
        **timing: Any,
    ) -> None:
        """`schema`: where the tables are, instead of where the URL says. `takes_over`: end the session of the present
        owner, if there is one. `timing` is passed to the session.
        """
        self.seal = seal
        self._schema = schema
        self._database = database
        self._takes_over = takes_over
        self._timing = timing
        self._token = secrets.token_hex(8)  # by which one of our sessions is known among those of others
        self._epoch: int | None = None
        self._session: DatabaseSession | None = None
        self._was_open = False

    def condition_of(self, error: BaseException) -> tuple[Condition, str]:
        return condition_of(error)

    def open(self, not_kept: Collection[int] = ()) -> Opened:
        self._epoch = None
        session = DatabaseSession(self._database, self._prepare, guard=self._check_epoch, **self._timing)
        self._session = session
        try:
            session.begin(writes=True)
            self._epoch = _begin_epoch(session)
            statements.check_key(session, self.seal)
            statements.forget_chunks(session, not_kept)
            if not self._was_open:
                statements.settle_read(session)
            session.commit()
            self._was_open = True
            self._takes_over = False  # only once: a process that takes over from us later keeps it
            return take_stock(session)
        except (psycopg.Error, WrongKey) as error:
            session.close()
            raise OutboxUnavailable(*condition_of(error)) from error

    def session(self, **timing: Any) -> DatabaseSession:
        """Return a session that owns the outbox without opening it, for a copy of its tables."""
        return DatabaseSession(self._database, self._prepare, **timing)

    def look(self, connection: SqlConnection) -> None:
        connection.execute(
            "INSERT INTO about VALUES ('look', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (secrets.token_bytes(8),),
        )

    def make_room(self, connection: SqlConnection) -> None:
        """Do nothing: the server has its own ways."""

    def empty_log(self, connection: SqlConnection) -> None:
        """Do nothing: the server keeps its log as long as it needs it."""

    def tidy(self, connection: SqlConnection) -> None:
        """Do nothing: autovacuum sweeps."""

    def hurry(self) -> None:
        if self._session is not None:
            self._session.hurry()

    # -- the one owner ------------------------------------------------------------------------------------------------

    def _prepare(self, connection: psycopg.Connection[Any]) -> None:
        """Make the tables, and become the owner; raise UnusableDatabase while somebody else is."""
        connection.execute("SELECT set_config('application_name', %s, false)", (f"xmpp-gateway {self._token}",))
        if self._schema is not None:
            enter(connection, self._schema)
        bring_up_to_date(connection, OUTBOX)
        deadline = time.monotonic() + _LOCK_SECONDS
        lock = "SELECT pg_try_advisory_lock(%s, 'outbox_owner'::regclass::oid::integer)"
        while not _one(connection, lock, _LOCK):
            # One of our own sessions, whose end the server has not noticed, must not keep us out.
            mine = None if self._takes_over else f"xmpp-gateway {self._token}"
            _end_owner(connection, mine)
            if time.monotonic() > deadline:
                raise UnusableDatabase(ServerTrouble.TAKEN_OVER, "another process has this outbox open")
            time.sleep(_PAUSE_SECONDS)
        if self._epoch is not None:
            self._check_epoch(connection)

    def _check_epoch(self, connection: psycopg.Connection[Any]) -> None:
        """Raise UnusableDatabase if somebody else has opened the outbox since; no such opening comes before our end."""
        if self._epoch is not None:
            latest = _one(connection, "SELECT epoch FROM outbox_owner FOR SHARE")
            if latest != self._epoch:
                raise UnusableDatabase(
                    ServerTrouble.TAKEN_OVER, f"epoch {latest} has begun, and this process is of epoch {self._epoch}"
                )


def _begin_epoch(connection: SqlConnection) -> int:
    """Begin the epoch of a new owner; transactions of the former one end before, or are refused."""
    row = connection.execute(
        "INSERT INTO outbox_owner (epoch) VALUES (1) ON CONFLICT (id) DO UPDATE SET epoch = outbox_owner.epoch + 1"
        " RETURNING epoch"
    ).fetchone()
    return int(row[0])


def _end_owner(connection: psycopg.Connection[Any], name: str | None) -> None:
    """End the session that holds the lock, if it has this name; None: whatever its name is."""
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
        " WHERE locktype = 'advisory' AND classid = %s AND objid = 'outbox_owner'::regclass::oid AND granted"
        " AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND (%s::text IS NULL OR application_name = %s)",
        (_LOCK, name, name),
    )


def _one(connection: psycopg.Connection[Any], statement: str, *arguments: Any) -> Any:
    row = connection.execute(statement.encode(), arguments or None).fetchone()
    return None if row is None else row[0]
