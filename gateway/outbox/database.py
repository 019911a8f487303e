"""The file of an outbox: opening it, the meaning of its errors, and the reserve for a full disk.

Durability is as for accounts (`gateway.storage.files`): a write-ahead log and `synchronous=FULL`. In addition,
delivered stanzas leave nothing behind: `secure_delete` overwrites deleted rows, and the log is emptied when idle.

A full disk must not stop deliveries, but deleting what was delivered needs space in the log. So a file of RESERVE_BYTES
is kept beside the database, as large as the log gets between two checkpoints. When the disk is full it is deleted, the
log is emptied into the database, and kept stanzas can still be settled. The outbox accepts stanzas again when the
reserve could be made again, and there is as much space again beside it.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import cast

from gateway.outbox import statements
from gateway.outbox.conditions import Condition
from gateway.outbox.databases import Opened, condition_within, take_stock
from gateway.outbox.errors import OutboxUnavailable
from gateway.outbox.sealing import Seal, WrongKey
from gateway.storage.dialects import SQLITE, SqlConnection
from gateway.storage.files import FileKind, ForeignFile, NewerSchema, UnusableFile, open_file

KIND = FileKind(
    application_id=0x58_4D_50_4F,  # "XMPO"
    package="gateway.outbox",
    pragmas=(
        "auto_vacuum = INCREMENTAL",  # only before there is anything in the file
        "journal_mode = WAL",
        "synchronous = FULL",
        "secure_delete = ON",
        "temp_store = MEMORY",  # else what a savepoint changes is written to another folder, in plain text
        "trusted_schema = OFF",
        "wal_autocheckpoint = 128",  # pages
    ),
)
RESERVE_BYTES = 1 << 19
_VACUUM_PAGES = 2000  # returned to the file system at a time

# By the primary code of SQLite's errors, and by the system's error number.
_OF_SQLITE = {
    sqlite3.SQLITE_FULL: Condition.DISK_FULL,
    sqlite3.SQLITE_BUSY: Condition.LOCKED,
    sqlite3.SQLITE_LOCKED: Condition.LOCKED,
    sqlite3.SQLITE_READONLY: Condition.READ_ONLY,
    sqlite3.SQLITE_PERM: Condition.NOT_PERMITTED,
    sqlite3.SQLITE_AUTH: Condition.NOT_PERMITTED,
    sqlite3.SQLITE_CANTOPEN: Condition.UNREACHABLE,
    sqlite3.SQLITE_CORRUPT: Condition.CORRUPT,
    sqlite3.SQLITE_NOTADB: Condition.FOREIGN,
}
_OF_SYSTEM = {
    errno.ENOSPC: Condition.DISK_FULL,
    errno.EDQUOT: Condition.DISK_FULL,
    errno.EROFS: Condition.READ_ONLY,
    errno.EACCES: Condition.NOT_PERMITTED,
    errno.EPERM: Condition.NOT_PERMITTED,
    errno.EIO: Condition.IO_ERROR,
}


def condition_of(error: BaseException) -> tuple[Condition, str]:
    """Return the meaning of a file error, and the system's message: of the error, or of its cause."""
    return condition_within(error, _meaning, Condition.IO_ERROR)


def _meaning(error: BaseException) -> tuple[Condition, str] | None:
    match error:
        case NewerSchema():
            return Condition.NEWER, str(error)
        case ForeignFile():
            return Condition.FOREIGN, str(error)
        case sqlite3.Error():
            return _of_sqlite(error), str(error)
        case OSError():
            return _OF_SYSTEM.get(error.errno or 0, Condition.UNREACHABLE), error.strerror or str(error)
    return None


def _of_sqlite(error: sqlite3.Error) -> Condition:
    code: int = getattr(error, "sqlite_errorcode", 0)
    if code == sqlite3.SQLITE_IOERR_SHMSIZE:  # the index of the log could not be enlarged
        return Condition.DISK_FULL
    return _OF_SQLITE.get(code & 0xFF, Condition.IO_ERROR)


class Database:
    """The file at a path, which can be opened many times, one after the other; an IOutboxDatabase."""

    dialect = SQLITE

    def __init__(self, path: Path, seal: Seal | None = None) -> None:
        self.path = path
        self.seal = seal
        self._reserve = path.with_name(f"{path.name}-reserve")
        self._was_open = False

    def condition_of(self, error: BaseException) -> tuple[Condition, str]:
        return condition_of(error)

    def open(self, not_kept: Collection[int] = ()) -> Opened:
        """Open the file and check that it can be written; raise OutboxUnavailable with what is wrong.

        `not_kept` are chunks that were reported as not written: any that are there are deleted. The first time, stanzas
        that an earlier process has marked as read are settled.
        """
        try:
            connection = open_file(self.path, KIND)
        except UnusableFile as error:
            raise OutboxUnavailable(*condition_of(error)) from error
        try:
            connection.execute("BEGIN IMMEDIATE")
            statements.check_key(connection, self.seal)
            statements.forget_chunks(connection, not_kept)
            if not self._was_open:
                statements.settle_read(connection)
            connection.execute("COMMIT")
            self._was_open = True
            self._look(connection)
            return take_stock(connection)
        except (sqlite3.Error, OSError, WrongKey) as error:
            connection.close()
            raise OutboxUnavailable(*condition_of(error)) from error

    def look(self, connection: SqlConnection) -> None:
        """Check, outside of any transaction, that the file can be written again; raise sqlite3.Error if not."""
        self.tidy(connection)
        try:
            self._look(connection)
            free = os.statvfs(self.path)
        except OSError as error:
            raise OutboxUnavailable(*condition_of(error)) from error
        # it would soon be full again, and report that again and again
        if free.f_bavail * free.f_frsize < RESERVE_BYTES:
            self._give_reserve_up()
            raise OutboxUnavailable(Condition.DISK_FULL, "hardly any space is free")

    def hurry(self) -> None:
        """Do nothing: a file is there or it is not."""

    def _look(self, connection: SqlConnection) -> None:
        self._make_reserve()
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute("INSERT OR REPLACE INTO about VALUES ('look', randomblob(16))")
            connection.execute("COMMIT")
        except sqlite3.Error:
            with suppress(sqlite3.Error):  # it may have ended by itself
                connection.execute("ROLLBACK")
            self._give_reserve_up()
            raise

    def _make_reserve(self) -> None:
        descriptor = os.open(self._reserve, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, RESERVE_BYTES)
        except OSError:
            self._give_reserve_up()  # a part of it may have been written
            raise
        finally:
            os.close(descriptor)

    def _give_reserve_up(self) -> None:
        self._reserve.unlink(missing_ok=True)

    def make_room(self, connection: SqlConnection) -> None:
        """Delete the reserve on a full disk, and empty the log, so that kept stanzas can be settled."""
        self._give_reserve_up()
        self.empty_log(connection)

    def empty_log(self, connection: SqlConnection) -> None:
        """Write the log into the database; afterwards neither contains delivered stanzas."""
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def tidy(self, connection: SqlConnection) -> None:
        """Return free space to the file system, and empty the log."""
        self.empty_log(connection)
        # A step frees a page, and without a result only a script is run to its end.
        cast(sqlite3.Connection, connection).executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES});")
        self.empty_log(connection)
