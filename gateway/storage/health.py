"""What is wrong with a database, in words: from the error of SQLite to a sentence and a remedy."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class StoreFault:
    """Why the database does not work: `sentence` says what is wrong, `remedy` what to do.

    `lasts` until the file is opened again: more of it may be unreadable than what was read.
    """

    word: str
    sentence: str
    remedy: str
    lasts: bool = False


FULL = StoreFault(
    word="full",
    sentence="the disk of the accounts' database is full, so nothing about accounts can be changed",
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
    """Return what an error of SQLite says about the database; None for an error that is not SQLite's."""
    if not isinstance(error, sqlite3.Error):
        return None
    return _FAULTS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, IO_ERROR)
