"""Faults of the file: each cause has a name, is logged once, and is over when the cause is."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import execute
from twisted.internet.task import Clock

from gateway.outbox import database
from gateway.outbox.conditions import PAUSES, Condition, Works
from gateway.outbox.database import KIND, RESERVE_BYTES, Database, condition_of
from gateway.outbox.durable import IDLE_SECONDS, STEADY_SECONDS, DurableOutbox
from gateway.outbox.errors import OutboxUnavailable
from gateway.outbox.records import OutboxLimits
from gateway.outbox.sealing import KEY_BYTES, Seal
from gateway.storage.files import open_file
from gateway.xmpp.errors import StanzaCondition
from tests.unit.outbox.contract import FAR, NOW, OTHER_PAIR, PAIR, lines, now

MARKER = b"a marker that is nowhere else"


class Scene:
    """An outbox in a folder, and what it told."""

    def __init__(self, folder: Path, seal: Seal | None = None) -> None:
        self.path = folder / "outbox.db"
        self.clock = Clock()
        self.told: list[Condition] = []
        self.damaged: list[int] = []
        self.outbox = self.open(seal)

    def open(self, seal: Seal | None = None) -> DurableOutbox:
        outbox = DurableOutbox(
            Database(self.path, seal),
            run=execute,
            clock=self.clock,
            limits=OutboxLimits(),
            tell=lambda condition, detail: self.told.append(condition),
            tell_damaged=self.damaged.append,
        )
        outbox.start()
        self.outbox = outbox
        return outbox

    def put(self, *stanzas: bytes, pair: Any = PAIR) -> Any:
        return now(self.outbox.put(pair, stanzas, accepted=NOW, expires=NOW + 100))

    def refusal(self, *stanzas: bytes) -> OutboxUnavailable:
        with pytest.raises(OutboxUnavailable) as caught:
            self.put(*stanzas or lines(9))
        assert caught.value.stanza_error().condition is StanzaCondition.RESOURCE_CONSTRAINT
        return caught.value

    def kept(self, pair: Any = PAIR) -> list[bytes]:
        return [each.raw for each in now(self.outbox.page(pair, 0, 10_000))]

    def wait(self) -> None:
        """Let the longest pause go by."""
        self.clock.pump([1.0] * int(max(PAUSES)))


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.outbox.close()


def test_every_condition_says_what_is_wrong_and_what_to_do() -> None:
    for condition in Condition:
        assert condition.sentence
        assert condition.remedy or condition in (Condition.READY, Condition.CLOSED)
        assert not condition.sentence.endswith(".")
    assert len({condition.word for condition in Condition}) == len(Condition)
    assert [condition for condition in Condition if condition.works is Works.TAKES] == [Condition.READY, Condition.BUSY]


@pytest.mark.parametrize(
    ("number", "condition"),
    [
        (errno.ENOSPC, Condition.DISK_FULL),
        (errno.EDQUOT, Condition.DISK_FULL),
        (errno.EROFS, Condition.READ_ONLY),
        (errno.EACCES, Condition.NOT_PERMITTED),
        (errno.EIO, Condition.IO_ERROR),
        (errno.ENOENT, Condition.UNREACHABLE),
    ],
)
def test_errors_of_the_system_have_a_name(number: int, condition: Condition) -> None:
    error = RuntimeError("wrapped")
    error.__cause__ = OSError(number, os.strerror(number))
    assert condition_of(error) == (condition, os.strerror(number))


# -- opening ---------------------------------------------------------------------------------------------------------


def test_files_are_the_owners_alone(scene: Scene) -> None:
    scene.put(*lines(1))
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in scene.path.parent.iterdir()}
    assert modes == dict.fromkeys(["outbox.db", "outbox.db-wal", "outbox.db-shm", "outbox.db-reserve"], 0o600)


def test_folder_that_cannot_be_made_and_then_can(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in place of the folder")
    scene = Scene(tmp_path / "state")
    assert scene.told == [Condition.UNREACHABLE]
    assert scene.outbox.condition is Condition.UNREACHABLE
    scene.refusal()
    (tmp_path / "state").unlink()
    scene.wait()
    assert scene.told == [Condition.UNREACHABLE, Condition.READY]
    scene.put(*lines(1))


def test_newer_schema_is_left_alone_until_it_is_moved_away(tmp_path: Path) -> None:
    connection = open_file(tmp_path / "outbox.db", KIND)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = (tmp_path / "outbox.db").read_bytes()
    scene = Scene(tmp_path)
    scene.wait()
    assert scene.told == [Condition.NEWER]
    assert scene.refusal().condition is Condition.NEWER
    assert (tmp_path / "outbox.db").read_bytes() == before
    (tmp_path / "outbox.db").rename(tmp_path / "newer.db")
    scene.wait()
    assert scene.told == [Condition.NEWER, Condition.READY]


@pytest.mark.parametrize("content", [b"This is a letter, not a database. " * 100, b"accounts"])
def test_file_that_is_no_outbox_is_left_alone(tmp_path: Path, content: bytes) -> None:
    if content == b"accounts":
        open_file(tmp_path / "outbox.db").close()
    else:
        (tmp_path / "outbox.db").write_bytes(content)
    before = (tmp_path / "outbox.db").read_bytes()
    scene = Scene(tmp_path)
    assert scene.told == [Condition.FOREIGN]
    assert (tmp_path / "outbox.db").read_bytes() == before


def test_damaged_file_is_named(scene: Scene, tmp_path: Path) -> None:
    scene.put(*(b"x" * 1000 for _ in range(200)))
    now(scene.outbox.close())
    content = bytearray((tmp_path / "outbox.db").read_bytes())
    content[4096 : 3 * 4096] = b"\xff" * 2 * 4096
    (tmp_path / "outbox.db").write_bytes(content)
    damaged = Scene(tmp_path)
    damaged.wait()
    assert damaged.told == [Condition.CORRUPT]
    for entry in tmp_path.iterdir():
        entry.unlink()
    damaged.wait()
    assert damaged.told == [Condition.CORRUPT, Condition.READY]
    damaged.put(*lines(1))


# -- while it works --------------------------------------------------------------------------------------------------


def test_lock_of_another_process_is_named_and_over_when_it_is(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    number = scene.put(*lines(1, 2))[0]
    scene.outbox._queue._connection.execute("PRAGMA busy_timeout = 1")  # type: ignore[union-attr]
    other = sqlite3.connect(scene.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert scene.refusal().condition is Condition.LOCKED
    assert scene.kept() == lines(1, 2)  # reading goes on
    with pytest.raises(OutboxUnavailable):
        now(scene.outbox.settle(PAIR, number))
    scene.wait()
    assert scene.told == [Condition.READY, Condition.LOCKED]
    other.execute("ROLLBACK")
    scene.wait()
    assert scene.told == [Condition.READY, Condition.LOCKED, Condition.READY]
    assert scene.kept() == lines(2)  # what was settled meanwhile
    scene.put(*lines(3))
    other.close()


class Failing:
    """Stands in for the connection, and fails like the system: once, or until it is told not to."""

    def __init__(self, scene: Scene, code: int, name: str) -> None:
        self.queue = scene.outbox._queue
        self.real = self.queue._connection  # type: ignore[union-attr]
        self.error = sqlite3.OperationalError(name)
        self.error.sqlite_errorcode = code
        self.used_after = 0
        self.failed = False
        self.queue._connection = self  # type: ignore[union-attr,assignment]

    def execute(self, statement: str, *values: Any) -> Any:
        self.used_after += self.failed and not statement.startswith("ROLLBACK")
        if statement == "COMMIT" and not self.failed:
            self.failed = True
            raise self.error
        return self.real.execute(statement, *values)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def test_failed_sync_is_never_tried_again_on_the_same_connection(scene: Scene) -> None:
    scene.put(*lines(1))
    failing = Failing(scene, sqlite3.SQLITE_IOERR_FSYNC, "disk I/O error")
    assert scene.refusal(*lines(2)).condition is Condition.IO_ERROR
    with pytest.raises(OutboxUnavailable):
        scene.kept()
    assert failing.used_after == 0
    scene.wait()
    assert scene.told == [Condition.READY, Condition.IO_ERROR, Condition.READY]
    assert failing.used_after == 0
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        failing.real.execute("SELECT 1")
    scene.put(*lines(3))
    assert scene.kept() == lines(1, 3)


def test_what_failed_with_a_sync_does_not_come_back_from_the_log(scene: Scene) -> None:
    """The log may hold a whole transaction whose sync failed, and a new connection reads it."""
    scene.put(*lines(1))
    failing = Failing(scene, sqlite3.SQLITE_IOERR_FSYNC, "disk I/O error")
    plain = failing.execute

    def fail_after_commit(statement: str, *values: Any) -> Any:
        if statement == "COMMIT":
            failing.real.execute("COMMIT")
        return plain(statement, *values)

    failing.execute = fail_after_commit  # type: ignore[method-assign]
    scene.refusal(*lines(2))
    scene.wait()
    assert scene.kept() == lines(1)
    assert now(scene.outbox.state(FAR)).stanzas == 1


def test_what_is_settled_and_removed_while_the_disk_fails_is_so_when_it_works_again(scene: Scene) -> None:
    numbers = scene.put(*lines(1, 2, 3))
    others = scene.put(*lines(4), pair=OTHER_PAIR)
    Failing(scene, sqlite3.SQLITE_IOERR_WRITE, "disk I/O error")
    with pytest.raises(OutboxUnavailable):
        now(scene.outbox.settle(PAIR, numbers[0]))
    with pytest.raises(OutboxUnavailable):
        now(scene.outbox.settle(PAIR, numbers[1]))
    with pytest.raises(OutboxUnavailable):
        now(scene.outbox.remove(others))
    scene.wait()
    assert scene.outbox.condition is Condition.READY
    assert (scene.kept(), scene.kept(OTHER_PAIR)) == (lines(3), [])
    assert [each.pair for each in now(scene.outbox.pairs())] == [PAIR]


def test_fault_that_comes_again_at_once_is_told_once_and_its_end_when_it_lasts(scene: Scene) -> None:
    for _ in range(3):
        Failing(scene, sqlite3.SQLITE_FULL, "database or disk is full")
        scene.refusal()
        assert scene.outbox.condition is Condition.DISK_FULL
        scene.clock.pump([0.5] * 5)
        assert scene.outbox.condition is Condition.READY
        scene.put(*lines(1))
    assert scene.told == [Condition.READY, Condition.DISK_FULL]
    scene.clock.advance(STEADY_SECONDS)
    assert scene.told == [Condition.READY, Condition.DISK_FULL, Condition.READY]


def test_looks_become_rarer_and_a_disk_that_fails_again_at_once_does_not_begin_anew(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    Failing(scene, sqlite3.SQLITE_IOERR_WRITE, "disk I/O error")
    scene.refusal()
    opened: list[float] = []

    def unreachable(*_: object) -> None:
        opened.append(scene.clock.seconds())
        raise OutboxUnavailable(Condition.IO_ERROR, "still")

    monkeypatch.setattr(scene.outbox._database, "open", unreachable)
    scene.clock.pump([1.0] * 120)
    assert opened == [1, 3, 8, 18, 48, 78, 108]
    assert scene.told == [Condition.READY, Condition.IO_ERROR]


def test_row_that_cannot_be_read_is_set_aside_and_all_others_go_on(scene: Scene) -> None:
    first, second = scene.put(*lines(1)), scene.put(*lines(2, 3))
    scene.put(*lines(4))
    connection = sqlite3.connect(scene.path)
    connection.execute("UPDATE chunk SET content = X'0102030405' WHERE sequence = ?", (second[0] >> 6,))
    connection.commit()
    connection.close()
    assert scene.kept() == lines(1, 4)
    assert scene.damaged == [1]
    (aside,) = now(scene.outbox.aside())
    assert aside.reason == "damaged: 2 stanzas cannot be read"
    assert now(scene.outbox.state(FAR)).stanzas == 2
    now(scene.outbox.settle(PAIR, first[0]))
    assert scene.kept() == lines(4)
    assert scene.told == [Condition.READY]


# -- another process -------------------------------------------------------------------------------------------------


def test_what_was_read_is_settled_by_the_next_process_and_by_no_other(scene: Scene, tmp_path: Path) -> None:
    numbers = scene.put(*lines(1, 2, 3))
    others = scene.put(*lines(4, 5), pair=OTHER_PAIR)
    now(scene.outbox.mark_read(PAIR, numbers[1]))
    now(scene.outbox.mark_read(OTHER_PAIR, others[0]))
    now(scene.outbox.mark_read(OTHER_PAIR, 0))  # the stream broke
    Failing(scene, sqlite3.SQLITE_IOERR_WRITE, "disk I/O error")
    scene.refusal()
    scene.wait()  # it is the same process that opens the file again
    assert scene.kept() == lines(1, 2, 3)
    now(scene.outbox.close())
    again = Scene(tmp_path)
    assert (again.kept(), again.kept(OTHER_PAIR)) == (lines(3), lines(4, 5))
    assert again.outbox.stanzas == 3
    more = again.put(*lines(6))  # numbers may start again, and nothing is marked
    now(again.outbox.close())
    assert more
    assert Scene(tmp_path).kept() == lines(3, 6)


# -- nothing is left behind ------------------------------------------------------------------------------------------


def contents(folder: Path) -> bytes:
    return b"".join(entry.read_bytes() for entry in folder.iterdir())


def test_delivered_content_is_in_no_file_once_nothing_happens(scene: Scene, tmp_path: Path) -> None:
    numbers = scene.put(*(b"%b %d %b" % (MARKER, number, b"x" * 3000) for number in range(100)))
    assert MARKER in contents(tmp_path)
    now(scene.outbox.settle(PAIR, numbers[-1]))
    scene.clock.advance(IDLE_SECONDS)
    assert MARKER not in contents(tmp_path)
    assert (tmp_path / "outbox.db-wal").stat().st_size == 0
    assert (tmp_path / "outbox.db").stat().st_size < 100_000  # the room is the file system's again


def test_log_is_emptied_now_and_then_also_while_something_always_happens(scene: Scene, tmp_path: Path) -> None:
    number = scene.put(MARKER)[0]
    now(scene.outbox.settle(PAIR, number))
    for _ in range(80):
        scene.put(*lines(1))
        scene.clock.advance(IDLE_SECONDS / 2)
    assert MARKER not in contents(tmp_path)


def test_pair_of_which_nothing_is_kept_leaves_no_row(scene: Scene, tmp_path: Path) -> None:
    now(scene.outbox.settle(PAIR, scene.put(*lines(1))[0]))
    scene.clock.advance(IDLE_SECONDS)
    number = scene.put(*lines(2))[0]  # it gets a new row
    connection = sqlite3.connect(scene.path)
    assert connection.execute("SELECT count(*) FROM pair").fetchone() == (1,)
    assert scene.kept() == lines(2)
    now(scene.outbox.settle(PAIR, number))
    scene.clock.advance(IDLE_SECONDS)
    assert connection.execute("SELECT count(*) FROM pair").fetchone() == (0,)
    connection.close()
    assert contents(tmp_path).count(b"far.example") == 0


# -- a key -----------------------------------------------------------------------------------------------------------

KEY, ANOTHER = Seal(b"k" * KEY_BYTES), Seal(b"a" * KEY_BYTES)


def test_sealed_content_is_not_in_the_file_and_is_read_with_the_key(tmp_path: Path) -> None:
    scene = Scene(tmp_path, KEY)
    number = scene.put(MARKER, *lines(1))[0]
    now(scene.outbox.set_aside(number, "why"))
    assert MARKER not in contents(tmp_path)
    now(scene.outbox.close())
    again = Scene(tmp_path, KEY)
    assert again.kept() == lines(1)
    assert now(again.outbox.aside())[0].raw == MARKER


@pytest.mark.parametrize("wrong", [ANOTHER, None])
def test_wrong_key_is_named_and_changes_nothing(tmp_path: Path, wrong: Seal | None) -> None:
    scene = Scene(tmp_path, KEY)
    scene.put(MARKER)
    now(scene.outbox.close())
    bad = Scene(tmp_path, wrong)
    assert bad.outbox.condition is Condition.WRONG_KEY
    assert bad.refusal().condition is Condition.WRONG_KEY
    now(bad.outbox.close())
    assert Scene(tmp_path, KEY).kept() == [MARKER]


def test_key_is_changed_by_draining_and_taken_up_beside_what_is_plain(tmp_path: Path) -> None:
    plain = Scene(tmp_path)
    plain.put(*lines(1))
    now(plain.outbox.close())
    sealed = Scene(tmp_path, KEY)
    last = sealed.put(*lines(2))[-1]
    assert sealed.kept() == lines(1, 2)
    now(sealed.outbox.settle(PAIR, last))
    now(sealed.outbox.close())
    other = Scene(tmp_path, ANOTHER)
    assert other.outbox.condition is Condition.READY
    other.put(*lines(3))
    assert other.kept() == lines(3)


def test_rows_cannot_be_exchanged(tmp_path: Path) -> None:
    scene = Scene(tmp_path, KEY)
    scene.put(*lines(1))
    scene.put(*lines(2), pair=OTHER_PAIR)
    connection = sqlite3.connect(scene.path)
    connection.execute("UPDATE chunk SET content = (SELECT content FROM chunk WHERE sequence = 1)")
    connection.commit()
    connection.close()
    assert (scene.kept(), scene.kept(OTHER_PAIR)) == (lines(1), [])
    assert scene.damaged == [1]


# -- a disk that fills -------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no small disk: {mounted.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(scene: Scene) -> tuple[list[bytes], list[int]]:
    """Put until the disk is full and stays so; what was kept."""
    kept: list[bytes] = []
    numbers: list[int] = []
    for _ in range(5):
        while scene.outbox.condition.is_ready:
            stanza = b"%d %b" % (len(kept), os.urandom(2000))
            with suppress(OutboxUnavailable):
                numbers += scene.put(stanza)
                kept.append(stanza)
        scene.wait()  # what was in the log may have found room in the database
        if scene.outbox.condition is Condition.DISK_FULL:
            return kept, numbers
    raise AssertionError("the outbox is full and ready in turns")


def test_full_disk_is_told_once_and_what_is_kept_is_still_delivered(small_disk: Path) -> None:
    scene = Scene(small_disk)
    kept, numbers = fill(scene)
    assert len(kept) > 200
    before = len(scene.told)
    for _ in range(50):
        assert scene.refusal(b"x" * 2000).condition is Condition.DISK_FULL
    scene.wait()
    assert scene.kept() == kept
    assert scene.told[before:] == []
    for number in numbers[:-20:10]:  # it is delivered, and that is noted, although the disk is full
        now(scene.outbox.settle(PAIR, number))
    scene.wait()
    assert scene.told[before:] == [Condition.READY]
    assert len(scene.kept()) <= 40
    scene.put(*lines(1))
    now(scene.outbox.close())
    assert Scene(small_disk).kept()[-1] == lines(1)[0]


def test_disk_that_others_have_filled_is_over_when_they_make_room(small_disk: Path) -> None:
    scene = Scene(small_disk)
    scene.put(*lines(1))
    filler = os.open(small_disk / "filler", os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while os.write(filler, b"x" * 4096):
            pass
    os.close(filler)
    kept, _ = fill(scene)
    before = len(scene.told)
    assert scene.kept() == lines(1) + kept
    (small_disk / "filler").unlink()
    scene.wait()
    assert scene.told[before:] == [Condition.READY]
    scene.put(*lines(2))
    assert scene.kept() == [*lines(1), *kept, *lines(2)]
    assert (small_disk / "outbox.db-reserve").stat().st_size == RESERVE_BYTES


def test_read_only_disk_is_named(small_disk: Path) -> None:
    scene = Scene(small_disk)
    scene.put(*lines(1))
    now(scene.outbox.close())
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    again = Scene(small_disk)
    assert again.outbox.condition is Condition.READ_ONLY
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    again.wait()
    assert again.told == [Condition.READ_ONLY, Condition.READY]
    assert again.kept() == lines(1)
    now(again.outbox.close())


def test_reserve_that_is_had_in_part_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(tmp_path)

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(database.os, "posix_fallocate", no_room)
    with pytest.raises(OutboxUnavailable):
        scene.outbox._database.look(scene.outbox._queue._connection)  # type: ignore[union-attr]
    assert not (tmp_path / "outbox.db-reserve").exists()
