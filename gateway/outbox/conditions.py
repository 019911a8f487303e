"""The conditions of an outbox: one row for each, with a sentence for people and its consequences.

Only READY accepts stanzas. Every other condition except CLOSED ends by itself: the outbox tries again after some
seconds and is READY when the cause is gone. Meanwhile READS means that kept stanzas can be read, on the open
connection, and SHRINKS that they can also be settled and removed. With NOTHING the file is closed, and reopened at
every attempt. After a failed fsync nobody knows which of the earlier pages are on the disk (the kernel forgets those
that it could not write), and a second fsync on the same handle would falsely report success; so IO_ERROR always
reopens.
"""

from __future__ import annotations

from enum import Enum, IntEnum


class Works(IntEnum):
    """What an outbox still does in a condition; each includes those before it."""

    NOTHING = 0
    READS = 1
    SHRINKS = 2
    TAKES = 3


class Condition(Enum):
    """The condition of an outbox: its word in `status` and metrics, a sentence, a remedy, and what still works."""

    READY = ("ready", "the outbox is in order", "", Works.TAKES)
    DISK_FULL = (
        "disk-full",
        "the disk of the outbox is full, so nothing more is kept; stanzas already kept are still delivered",
        "make room on that disk",
        Works.SHRINKS,
    )
    LOCKED = (
        "locked",
        "another process holds the outbox locked",
        "end the process that has the file open, most likely a second gateway or a database shell",
        Works.READS,
    )
    READ_ONLY = (
        "read-only",
        "the outbox is on a file system that cannot be written",
        "mount it for writing; if the system made it read-only, look for disk errors in the kernel's log first",
        Works.NOTHING,
    )
    NOT_PERMITTED = (
        "not-permitted",
        "the gateway's user may not open the outbox",
        "give the file and its folder to the user that the gateway runs as",
        Works.NOTHING,
    )
    UNREACHABLE = (
        "unreachable",
        "the file of the outbox cannot be opened",
        "check that its folder exists and its file system is mounted",
        Works.NOTHING,
    )
    IO_ERROR = (
        "io-error",
        "the disk of the outbox reports errors",
        "look for disk errors in the kernel's log",
        Works.NOTHING,
    )
    CORRUPT = (
        "corrupt",
        "the file of the outbox is damaged",
        "move it away, with its -wal and -shm files, and the gateway makes a new one; `sqlite3 FILE .recover` may"
        " recover the old rows",
        Works.NOTHING,
    )
    FOREIGN = (
        "foreign",
        "[outbox] url names something that is not an outbox",
        "name another file there, or move this one away",
        Works.NOTHING,
    )
    NEWER = (
        "newer-schema",
        "a newer version of the gateway has written the outbox",
        "reinstall that version, or name another outbox in [outbox] url",
        Works.NOTHING,
    )
    WRONG_KEY = (
        "wrong-key",
        "the outbox cannot be read with the key that [outbox] key_file names",
        "put back the key file that the outbox was written with, or move the outbox away: its content is lost",
        Works.NOTHING,
    )
    AWAY = (
        "away",
        "the server of the outbox cannot be reached",
        "check that PostgreSQL runs and can be reached from here; the gateway reconnects by itself",
        Works.NOTHING,
    )
    REFUSED = (
        "refused",
        "the server of the outbox refuses the gateway",
        "check the user, the password and the database in [outbox] url, and pg_hba.conf of the server",
        Works.NOTHING,
    )
    CROWDED = (
        "crowded",
        "the server of the outbox has no connection left for the gateway",
        "raise max_connections of the server, or end connections that nobody needs",
        Works.NOTHING,
    )
    STANDBY = (
        "standby",
        "the server of the outbox is read-only",
        "name the primary server in [outbox] url: this one is a standby, or read-only",
        Works.NOTHING,
    )
    FORBIDDEN = (
        "forbidden",
        "the gateway's user may not use the tables of the outbox",
        "make that user the owner of its database and tables",
        Works.NOTHING,
    )
    TAKEN_OVER = (
        "taken-over",
        "another gateway has the outbox open",
        "stop that one, or give each gateway its own outbox",
        Works.NOTHING,
    )
    BROKEN = (
        "broken",
        "the server of the outbox reports errors",
        "look at the log of the server",
        Works.NOTHING,
    )
    BUSY = (
        "busy",
        "the disk of the outbox is too slow for the load",
        "find out what else uses that disk",
        Works.TAKES,
    )  # only of an error: the outbox itself stays READY
    CLOSED = ("closed", "the outbox is closed", "", Works.NOTHING)

    def __init__(self, word: str, sentence: str, remedy: str, works: Works) -> None:
        self.word = word
        self.sentence = sentence
        self.remedy = remedy
        self.works = works

    @property
    def is_ready(self) -> bool:
        """Return whether stanzas are accepted."""
        return self is Condition.READY


PAUSES = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before each attempt to recover; the last one repeats."""
