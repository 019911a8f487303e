"""A database that does not work says why, until it works again; one that is damaged says so to the end."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.storage import files
from gateway.storage.errors import StoreUnavailable
from gateway.storage.opening import open_store
from gateway.storage.sqlite import SqliteStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteStore]:
    monkeypatch.setattr(files, "BUSY_SECONDS", 0)
    found = open_store("sqlite:gateway.db", tmp_path)
    assert isinstance(found, SqliteStore)
    yield found
    found.close().addErrback(lambda failure: None)


def look(store: SqliteStore) -> str:
    store.look()
    return store.fault.word if store.fault is not None else ""


def test_a_healthy_database_has_no_fault_and_looking_changes_nothing(store: SqliteStore, tmp_path: Path) -> None:
    assert look(store) == ""
    with sqlite3.connect(tmp_path / "gateway.db") as other:
        assert other.execute("PRAGMA user_version").fetchone()[0] > 0


def test_a_database_that_another_process_holds_is_locked_until_it_lets_go(store: SqliteStore, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert look(store) == "locked"
    other.execute("ROLLBACK")
    assert look(store) == ""
    other.close()


def test_a_full_disk_is_found_by_looking_and_over_when_there_is_room(store: SqliteStore, tmp_path: Path) -> None:
    """A limit on pages stands in for the disk: SQLite reports both by SQLITE_FULL."""
    connection = store._queue._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    failures: list[object] = []
    for number in range(200):
        store.add_account(f"a{number}@im.test", []).addErrback(failures.append)
    assert failures
    assert store.fault is not None
    assert store.fault.word == "full"
    connection.execute("PRAGMA max_page_count = 1000000")
    assert look(store) == ""


def test_a_damaged_database_stays_damaged(store: SqliteStore, tmp_path: Path) -> None:
    for number in range(100):
        store.add_account(f"a{number}@im.test", [])
    store._queue._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    file = tmp_path / "gateway.db"
    with file.open("r+b") as damaged:
        for page in range(1, os.path.getsize(file) // 4096):
            damaged.seek(page * 4096)
            damaged.write(b"\xff" * 200)
    store._queue._connection.execute("PRAGMA cache_size = 0")
    failures: list[BaseException] = []
    store.accounts().addErrback(lambda failure: failures.append(failure.value))
    assert isinstance(failures[0], StoreUnavailable)
    assert store.fault is not None
    assert store.fault.word == "corrupt"
    assert look(store) == "corrupt"
