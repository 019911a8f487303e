"""Errors of a PostgreSQL server, and what they mean for the gateway: a table by SQLSTATE (its manual, appendix A)."""

from __future__ import annotations

from enum import Enum

import psycopg


class ServerTrouble(Enum):
    """What is wrong with a database on a server: its word, and what to do."""

    AWAY = ("away", "check that PostgreSQL runs and can be reached from here; the gateway reconnects by itself")
    REFUSED = ("refused", "check the user, the password and the database in the URL, and pg_hba.conf of the server")
    CROWDED = ("crowded", "raise max_connections of the server, or end connections that nobody needs")
    FULL = ("full", "make room on the disk of the server")
    READ_ONLY = ("read-only", "name the primary server in the URL: this one is a standby, or read-only")
    LOCKED = ("locked", "end the session that holds the tables locked: see pg_stat_activity on the server")
    NOT_PERMITTED = ("not-permitted", "make the gateway's user the owner of its database and tables")
    FOREIGN = ("foreign", "give the gateway its own database, and name that in the URL")
    NEWER = ("newer-schema", "reinstall the newer xmpp-gateway, or restore a copy from before the upgrade")
    TAKEN_OVER = ("taken-over", "another gateway uses it: stop that one, or give each its own database")
    BROKEN = ("broken", "look at the log of the server")

    def __init__(self, word: str, remedy: str) -> None:
        self.word = word
        self.remedy = remedy


class UnusableDatabase(psycopg.OperationalError):
    """The database can be reached, and cannot be used: `trouble` says why."""

    def __init__(self, trouble: ServerTrouble, problem: str) -> None:
        super().__init__(problem)
        self.trouble = trouble


_BY_STATE = {
    "53100": ServerTrouble.FULL,
    "53300": ServerTrouble.CROWDED,
    "25006": ServerTrouble.READ_ONLY,
    "55P03": ServerTrouble.LOCKED,  # lock_not_available
    "57014": ServerTrouble.LOCKED,  # query_canceled, by statement_timeout
    "42501": ServerTrouble.NOT_PERMITTED,
    "42P01": ServerTrouble.FOREIGN,  # undefined_table
    "42703": ServerTrouble.FOREIGN,  # undefined_column
    "42P07": ServerTrouble.FOREIGN,  # duplicate_table
    "25P03": ServerTrouble.AWAY,  # idle_in_transaction_session_timeout
}
_BY_CLASS = {
    "08": ServerTrouble.AWAY,  # connection exceptions
    "57": ServerTrouble.AWAY,  # operator intervention: the server stops
    "28": ServerTrouble.REFUSED,  # invalid authorization
    "3D": ServerTrouble.REFUSED,  # no such database
    "3F": ServerTrouble.NOT_PERMITTED,  # no schema to make tables in
    "53": ServerTrouble.BROKEN,
    "58": ServerTrouble.BROKEN,  # system error
    "XX": ServerTrouble.BROKEN,
}
# libpq gives no SQLSTATE for a connection that was not made. These words are part of its messages in English.
_WORDS = (
    ("authentication failed", ServerTrouble.REFUSED),
    ("no password supplied", ServerTrouble.REFUSED),
    ("pg_hba.conf", ServerTrouble.REFUSED),
    ("does not exist", ServerTrouble.REFUSED),
    ("permission denied for database", ServerTrouble.REFUSED),
    ("certificate", ServerTrouble.REFUSED),
    ("too many", ServerTrouble.CROWDED),
    ("remaining connection slots", ServerTrouble.CROWDED),
)
_AGAIN = ("40001", "40P01")  # serialization_failure, deadlock_detected
_OF_THE_JOB = ("22", "23", "54")  # data exceptions, integrity constraints, program limits: too long for an index


def trouble_of(error: BaseException | None) -> ServerTrouble | None:
    """Return what an error of psycopg means; None for any other error."""
    if isinstance(error, UnusableDatabase):
        return error.trouble
    if not isinstance(error, psycopg.Error):
        return None
    if error.sqlstate is not None:
        by_class = _BY_CLASS.get(error.sqlstate[:2], ServerTrouble.BROKEN)
        return _BY_STATE.get(error.sqlstate, by_class)
    text = str(error)
    return next((trouble for words, trouble in _WORDS if words in text), ServerTrouble.AWAY)


def is_of_the_job(error: BaseException) -> bool:
    """Return whether an error is one of the data of a single job."""
    if not isinstance(error, psycopg.Error) or isinstance(error, UnusableDatabase):
        return False
    if error.sqlstate is None:  # found by psycopg itself, such as a NUL character in a text
        return isinstance(error, psycopg.DataError | psycopg.ProgrammingError)
    return error.sqlstate[:2] in _OF_THE_JOB


def is_worth_another_attempt(error: BaseException) -> bool:
    """Return whether a transaction failed only because of another one at the same time."""
    return isinstance(error, psycopg.Error) and error.sqlstate in _AGAIN


def describe(error: BaseException) -> str:
    """Return an error in one line; libpq's messages have no passwords."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return "; ".join(lines[:3])
