"""Database faults in words: from the error of SQLite to a sentence and a remedy."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StoreFault:
    """Why the database does not work: `sentence` says what is wrong, `remedy` what to do.

    `lasts`: until the file is reopened, because more of it may be unreadable than the part that was read.
    """

    word: str
    sentence: str
    remedy: str
    lasts: bool = False


FULL = StoreFault(
    word="full",
    sentence="the disk of the accounts' database is full, so accounts cannot be changed",
    remedy="make room on that disk",
)
LOCKED = StoreFault(
    word="locked",
    sentence="another process holds the accounts' database locked",
    remedy="end the process that has the file open, most likely a database shell",
)
READ_ONLY = StoreFault(
    word="read-only",
    sentence="the accounts' database cannot be written",
    remedy="give the file and its folder to the gateway's user, on a file system mounted for writing",
)
CORRUPT = StoreFault(
    word="corrupt",
    sentence="the accounts' database is damaged",
    remedy="stop the gateway and restore a copy, or try `sqlite3 FILE .recover`",
    lasts=True,
)
IO_ERROR = StoreFault(
    word="io-error",
    sentence="the disk of the accounts' database reports errors",
    remedy="look for disk errors in the kernel's log",
)

_FAULTS = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_PERM: READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: READ_ONLY,
    sqlite3.SQLITE_CORRUPT: CORRUPT,
    sqlite3.SQLITE_NOTADB: CORRUPT,
}


def fault_of(error: BaseException | None) -> StoreFault | None:
    """Return the fault of the database that an SQLite error means; None for any other error."""
    if not isinstance(error, sqlite3.Error):
        return None
    return _FAULTS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, IO_ERROR)
