"""`backup` and `restore`: what comes back is what there was, and nothing is lost on the way."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import stat
import tarfile
from pathlib import Path

import pytest

from gateway.commands import main, restore
from gateway.config import load
from gateway.outbox.database import KIND as OUTBOX
from gateway.storage.files import open_file
from tests.support.configuration import Folder
from tests.support.control import answering


class Place:
    """A gateway that does not run, with what it remembers."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        folder = Folder(path)
        self.file = folder.complete("")
        self.state = path / "state"
        self.archive = path / "backup.tar.gz"

    def fill(self) -> None:
        (self.state / "lists").mkdir(parents=True)
        (self.state / "dialback.secret").write_bytes(b"s" * 32)
        (self.state / "known-keys.json").write_text("{}")
        (self.state / "lists" / "abc").write_text("evil.test\n")
        (self.state / "outbox.db-reserve").write_bytes(bytes(1000))
        open_file(self.state / "outbox.db", OUTBOX).close()
        self.add("juliet@im.test", "a secret")

    def add(self, account: str, password: str) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
            assert self.run("account", "add", account) == 0

    def run(self, *words: str) -> int:
        return main([*words, "--config", str(self.file)])

    def content(self) -> dict[str, bytes]:
        files = (each for each in self.state.rglob("*") if each.is_file())
        return {str(each.relative_to(self.state)): each.read_bytes() for each in files if ".db" not in each.name}

    def accounts(self, capsys: pytest.CaptureFixture[str]) -> list[str]:
        capsys.readouterr()
        assert self.run("account", "list") == 0
        return capsys.readouterr().out.split()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "one")
    place.fill()
    return place


def test_what_comes_back_is_what_there_was(place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.run("backup", str(place.archive)) == 0
    assert stat.S_IMODE(place.archive.stat().st_mode) == 0o600
    assert "certificates and keys" in capsys.readouterr().err
    other = Place(tmp_path / "two")
    assert other.run("restore", str(place.archive)) == 0
    assert other.content() == place.content()
    assert other.accounts(capsys) == ["juliet@im.test"]
    assert not (other.state / "outbox.db").exists()
    assert {stat.S_IMODE(each.stat().st_mode) for each in other.state.rglob("*")} == {0o600, 0o700}


def test_the_copy_of_a_database_in_use_is_of_one_moment(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    writer = sqlite3.connect(place.state / "gateway.db", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM accounts")
    try:
        assert place.run("backup", str(place.archive)) == 0
    finally:
        writer.execute("ROLLBACK")
        writer.close()
    other = Place(tmp_path / "two")
    assert other.run("restore", str(place.archive)) == 0
    assert other.accounts(capsys) == ["juliet@im.test"]


def test_what_is_there_is_moved_aside_only_on_demand_and_kept(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.run("backup", str(place.archive)) == 0
    place.add("romeo@im.test", "another")
    before = place.content()
    assert place.run("restore", str(place.archive)) == 1
    assert "add --replace" in capsys.readouterr().err
    assert place.content() == before
    assert place.run("restore", "--replace", str(place.archive)) == 0
    (aside,) = place.state.glob("before-restore-*")
    assert (aside / "gateway.db").exists()
    assert place.accounts(capsys) == ["juliet@im.test"]
    assert (place.state / "outbox.db-reserve").exists()  # the outbox is left as it is


def test_the_outbox_comes_back_only_on_demand(place: Place, tmp_path: Path) -> None:
    assert place.run("backup", str(place.archive)) == 0
    other = Place(tmp_path / "two")
    assert other.run("restore", "--outbox", str(place.archive)) == 0
    assert (other.state / "outbox.db").exists()


def test_without_a_state_folder_there_is_no_backup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = Place(tmp_path / "one")
    assert place.run("backup", str(place.archive)) == 1
    assert f"there is no state folder {place.state}" in capsys.readouterr().err
    assert not place.archive.exists()


def test_databases_that_are_elsewhere_are_named(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    urls = '[storage]\nurl = "postgresql://u:word@host/base"\n[outbox]\nurl = "memory:"\n'
    place.file.write_text(place.file.read_text() + urls)
    assert place.run("backup", str(place.archive)) == 0
    told = capsys.readouterr().err
    assert "storage.url is postgresql: back up that database with its own tools, such as pg_dump" in told
    assert "outbox.url is memory: nothing of it is kept" in told
    assert "word" not in told
    with tarfile.open(place.archive) as archive:
        assert not [name for name in archive.getnames() if name.endswith(".db")]


def test_a_backup_is_not_written_over_another_file(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.archive.write_text("precious")
    assert place.run("backup", str(place.archive)) == 1
    assert place.archive.read_text() == "precious"
    assert "File exists" in capsys.readouterr().err


def test_of_a_damaged_database_there_is_no_backup(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    database = place.state / "gateway.db"
    content = bytearray(database.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    database.write_bytes(content)
    assert place.run("backup", str(place.archive)) == 1
    assert "no backup: " in capsys.readouterr().err
    assert not place.archive.exists()


def test_nothing_is_restored_while_the_service_runs(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.run("backup", str(place.archive)) == 0
    with answering(place.state, {"log": lambda: {}}):
        assert place.run("restore", "--replace", str(place.archive)) == 1
    assert "the service is running: stop it first" in capsys.readouterr().err


MANIFEST = json.dumps({"format": 1, "made": "x"}).encode()


def archive_of(folder: Path, *members: tuple[str, bytes]) -> str:
    """Write an archive as anybody could, and return its name."""
    archive = folder / "evil.tar.gz"
    with tarfile.open(archive, "w:gz") as out:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return str(archive)


def files_in(place: Place) -> list[Path]:
    return [each for each in place.state.rglob("*") if each.is_file()]


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "state/../../evil",
        "/etc/passwd",
        "state/a/b/c",
        "other",
        "",
        ".",
        "state",
        "state/",
        "state/..",
        "state//evil",
        "state/a/b",
        "state/lists",
        "state/lists/",
        "state/a\x1b",
        "state/gateway.db",
        "state/gateway.db-wal",
        "state/outbox.db",
        "state/outbox.db-journal",
        "state/accounts.db",
        "state/lists/old.db",
        "state/control.socket",
        "state/known-keys.json.new",
    ],
)
def test_what_is_no_part_of_a_backup_is_refused(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    other = Place(tmp_path / "two")
    assert other.run("restore", archive_of(tmp_path, ("manifest.json", MANIFEST), (name, b"evil"))) == 1
    assert "which is not part of a backup" in capsys.readouterr().err
    assert files_in(other) == []


@pytest.mark.parametrize(
    "manifest", [b"", b"{}", b'{"format": 1}', b'{"made": "x"}', b"[" * 200_000, b"\xff", b'["format", "made"]']
)
def test_a_manifest_that_is_none_is_refused(
    tmp_path: Path, manifest: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Place(tmp_path / "two")
    assert other.run("restore", archive_of(tmp_path, ("manifest.json", manifest), ("state/a", b""))) == 1
    assert "it is not a backup of xmpp-gateway" in capsys.readouterr().err
    assert files_in(other) == []


@pytest.mark.parametrize("name", ["state/a", "outbox.db", "gateway.toml"])
def test_a_file_that_comes_twice_is_refused(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    other = Place(tmp_path / "two")
    assert other.run("restore", archive_of(tmp_path, ("manifest.json", MANIFEST), (name, b""), (name, b"x"))) == 1
    assert f"it contains '{name}' twice" in capsys.readouterr().err
    assert files_in(other) == []


@pytest.mark.parametrize(("format", "status"), [(1, 0), (2, 1)], ids=["restored", "refused"])
def test_nothing_in_an_archive_gives_orders_to_the_terminal(
    tmp_path: Path, format: int, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = json.dumps({"format": format, "made": "\x1b[2Jnow", "version": "\x1b[2J9"}).encode()
    assert Place(tmp_path / "two").run("restore", archive_of(tmp_path, ("manifest.json", manifest))) == status
    told = capsys.readouterr()
    assert "\\x1b[2J" in told.out + told.err
    assert "\x1b" not in told.out + told.err


def test_a_database_that_is_left_over_is_not_copied_unchecked(place: Place) -> None:
    (place.state / "older.db").write_bytes(b"left over")
    (place.state / "older.db-wal").write_bytes(b"left over")
    assert place.run("backup", str(place.archive)) == 0
    with tarfile.open(place.archive) as archive:
        assert not [each for each in archive.getnames() if "older" in each]


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08\x00half"])
def test_what_is_no_archive_is_refused(place: Place, tmp_path: Path, content: bytes) -> None:
    archive = tmp_path / "no.tar.gz"
    archive.write_bytes(content)
    assert Place(tmp_path / "two").run("restore", str(archive)) == 1


def test_half_an_archive_changes_nothing(place: Place, tmp_path: Path) -> None:
    assert place.run("backup", str(place.archive)) == 0
    whole = place.archive.read_bytes()
    place.archive.write_bytes(whole[: len(whole) // 2])
    other = Place(tmp_path / "two")
    assert other.run("restore", str(place.archive)) == 1
    assert other.content() == {}
    assert load(other.file).gateway.state == other.state


def test_an_archive_that_grows_beyond_the_disk_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    free = restore.SPARE_BYTES + 1_000_000
    monkeypatch.setattr("shutil.disk_usage", lambda folder: shutil._ntuple_diskusage(0, 0, free))  # type: ignore[attr-defined]
    other = Place(tmp_path / "two")
    small, large = ("state/a", bytes(500_000)), ("state/b", bytes(500_001))
    assert other.run("restore", archive_of(tmp_path, ("manifest.json", MANIFEST), small, large)) == 1
    assert "up to 'state/b' of 500.0 kB, need more room than the disk" in capsys.readouterr().err
    assert files_in(other) == []
    assert (
        other.run("restore", archive_of(tmp_path, ("manifest.json", MANIFEST), small, ("state/b", bytes(499_000)))) == 0
    )


def test_an_archive_whose_holes_are_larger_than_the_disk_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sparse file in an archive takes a few bytes there, and what its header says on the disk."""
    archive = tmp_path / "sparse.tar.gz"
    with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT) as made:
        manifest = tarfile.TarInfo("manifest.json")
        manifest.size = len(MANIFEST)
        made.addfile(manifest, io.BytesIO(MANIFEST))
        member = tarfile.TarInfo("state/a")
        content = b"1\n0\n1\n".ljust(512, b"\0") + b"x"
        member.size = len(content)
        member.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": "state/a",
            "GNU.sparse.realsize": str(1 << 50),
        }
        made.addfile(member, io.BytesIO(content))
    assert Place(tmp_path / "two").run("restore", str(archive)) == 1
    assert "need more room than the disk" in capsys.readouterr().err


def test_a_name_that_fills_the_memory_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "state/" + "a" * restore.PIECE_BYTES
    assert Place(tmp_path / "two").run("restore", archive_of(tmp_path, ("manifest.json", MANIFEST), (name, b""))) == 1
    assert "so it is not a backup" in capsys.readouterr().err


def test_an_archive_of_very_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(restore, "MOST_MEMBERS", 5)
    members = [(f"state/{number}", b"") for number in range(6)]
    other = Place(tmp_path / "two")
    assert other.run("restore", archive_of(tmp_path, ("manifest.json", MANIFEST), *members)) == 1
    assert "more than 5 files" in capsys.readouterr().err
    assert files_in(other) == []
