"""Opening the database file: rights, pragmas, migrations."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.outbox.database import KIND as OUTBOX
from gateway.storage import files
from gateway.storage.files import (
    ACCOUNTS,
    APPLICATION_ID,
    FileKind,
    UnusableFile,
    load_schemas,
    migrate,
    open_file,
    read_schema_version,
    split_statements,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def pragma(connection: sqlite3.Connection, name: str) -> object:
    return connection.execute(f"PRAGMA {name}").fetchone()[0]


def test_folder_file_and_log_are_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "gateway.db"
    before = os.umask(0)
    try:
        connection = open_file(path)
    finally:
        os.umask(before)
    assert mode(path.parent) == 0o700
    assert {entry.name: mode(entry) for entry in path.parent.iterdir()} == {
        "gateway.db": 0o600,
        "gateway.db-wal": 0o600,
        "gateway.db-shm": 0o600,
    }
    connection.close()


def test_file_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    open_file(path).close()
    path.chmod(0o644)
    open_file(path).close()
    assert mode(path) == 0o600


def test_commits_are_made_to_last(tmp_path: Path) -> None:
    connection = open_file(tmp_path / "gateway.db")
    assert pragma(connection, "journal_mode") == "wal"
    assert pragma(connection, "synchronous") == 2  # FULL
    assert pragma(connection, "foreign_keys") == 1
    assert pragma(connection, "busy_timeout") == 5000
    assert pragma(connection, "application_id") == APPLICATION_ID
    connection.close()


@pytest.mark.parametrize("kind", [ACCOUNTS, OUTBOX], ids=["accounts", "outbox"])
def test_what_a_transaction_could_undo_is_in_no_other_file(tmp_path: Path, kind: FileKind) -> None:
    """SQLite remembers for a savepoint what the changed pages were like: beyond 64 KiB in a file, by default."""
    connection = open_file(tmp_path / "some.db", kind)
    connection.execute("CREATE TABLE stanza (content)")
    connection.executemany("INSERT INTO stanza VALUES (?)", [("a secret" * 400,)] * 100)
    before = open_files()
    connection.execute("BEGIN")
    connection.execute("SAVEPOINT job")
    connection.execute("UPDATE stanza SET content = 'b' || content")
    assert open_files() == before
    connection.execute("ROLLBACK")
    connection.close()


def open_files() -> set[str]:
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            found.add(str(descriptor.readlink()))
    return found


def test_new_file_has_the_newest_schema_and_opening_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    first = open_file(path)
    schema = first.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
    assert read_schema_version(first) == len(load_schemas())
    first.close()
    second = open_file(path)
    assert second.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall() == schema
    second.close()


def test_several_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    together = threading.Barrier(4)

    def open_together(_: int) -> int:
        together.wait(5)
        connection = open_file(tmp_path / "gateway.db")
        version = read_schema_version(connection)
        connection.close()
        return version

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(open_together, range(4))) == [len(load_schemas())] * 4


def test_every_schema_file_is_a_step_and_they_are_numbered_without_gap() -> None:
    folder = Path(files.__file__).parent / "schema"
    numbers = sorted(int(re.fullmatch(r"v(\d+)\.sql", entry.name)[1]) for entry in folder.iterdir())  # type: ignore[index]
    assert numbers == list(range(1, len(load_schemas()) + 1))


class TestMigrate:
    @pytest.fixture
    def connection(self) -> sqlite3.Connection:
        return sqlite3.connect(":memory:", isolation_level=None)

    def test_only_the_steps_not_seen_yet_run(self, connection: sqlite3.Connection) -> None:
        one, two = "CREATE TABLE a (x);\n", "ALTER TABLE a ADD COLUMN y;\nCREATE TABLE b (z);\n"
        migrate(connection, [one])
        connection.execute("INSERT INTO a VALUES (1)")
        migrate(connection, [one, two])
        migrate(connection, [one, two])
        assert connection.execute("SELECT x, y FROM a").fetchall() == [(1, None)]
        assert read_schema_version(connection) == 2

    def test_step_that_fails_leaves_the_schema_before_it(self, connection: sqlite3.Connection) -> None:
        with pytest.raises(sqlite3.OperationalError):
            migrate(connection, ["CREATE TABLE a (x);\n", "CREATE TABLE b (y);\nCREATE TABLE a (x);\n"])
        assert read_schema_version(connection) == 1
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("a",)]
        assert not connection.in_transaction

    def test_statements_are_split_where_they_end(self) -> None:
        script = "-- a; comment\nCREATE TABLE a (\n  x TEXT DEFAULT ';'\n);\nCREATE TABLE b (y);\n\n-- end\n"
        assert [statement.strip() for statement in split_statements(script)] == [
            "-- a; comment\nCREATE TABLE a (\n  x TEXT DEFAULT ';'\n);",
            "CREATE TABLE b (y);",
        ]


class TestRefusals:
    def refusal(self, path: Path) -> str:
        with pytest.raises(UnusableFile) as caught:
            open_file(path)
        assert str(path) in str(caught.value)
        return str(caught.value)

    def test_newer_schema_is_not_touched(self, tmp_path: Path) -> None:
        path = tmp_path / "gateway.db"
        connection = open_file(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        before = path.read_bytes()
        assert "has schema 99 and was written by a newer xmpp-gateway" in self.refusal(path)
        assert path.read_bytes() == before

    def test_database_of_another_program_is_not_touched(self, tmp_path: Path) -> None:
        path = tmp_path / "gateway.db"
        other = sqlite3.connect(path)
        other.execute("CREATE TABLE theirs (x)")
        other.close()
        before = path.read_bytes()
        assert "another program" in self.refusal(path)
        assert path.read_bytes() == before

    def test_file_that_is_no_database_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "gateway.db"
        path.write_text("This is a letter, not a database. " * 100)
        assert "file is not a database" in self.refusal(path)

    def test_folder_under_a_file_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "state").write_text("")
        assert "cannot open" in self.refusal(tmp_path / "state" / "gateway.db")

    def test_folder_in_place_of_the_file_is_named(self, tmp_path: Path) -> None:
        assert "directory" in self.refusal(tmp_path).lower()

    def test_folder_without_the_right_to_write_is_named(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)  # root may write everywhere
        try:
            assert "ermission denied" in self.refusal(tmp_path / "gateway.db")
        finally:
            os.seteuid(user)
            tmp_path.chmod(0o700)
