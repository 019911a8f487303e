"""Known keys: what counts as a change, what is expected, what is kept, and the file."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock

from gateway.net.certificates.certificate_paths import Reason
from gateway.net.certificates.judge import CertificateVerdict
from gateway.notices.attempts.known_keys import MOST_KEYS, KeyChanged, KnownKeys
from gateway.notices.notices import Level, Notice
from gateway.operations.known_keys_file import FILE, SAVE_SECONDS, KnownKeysFile

START = datetime(2026, 6, 15, tzinfo=UTC)
LIFE = timedelta(days=90)


def shown(key: str, issuer: str = "'Good CA'", begins: datetime = START) -> CertificateVerdict:
    return CertificateVerdict(reason=Reason.TRUSTED, key=key, issuer=issuer, not_before=begins, not_after=begins + LIFE)


class Remembering:
    """Known keys, and a clock that shows this many days since the start."""

    def __init__(self, most: int = 100) -> None:
        self.day = 0.0
        self.keys = KnownKeys(lambda: START.timestamp() + self.day * 86400, most)

    def saw(self, key: str, *, day: float = 0, domain: str = "far.test", **more: Any) -> KeyChanged | None:
        self.day = day
        return self.keys.saw(domain, shown(key, **more))


def test_the_first_key_and_the_same_key_again_are_no_change() -> None:
    remembering = Remembering()
    assert remembering.saw("aa") is None
    assert remembering.saw("aa", day=80, begins=START + timedelta(days=60)) is None
    (known,) = remembering.keys.of("far.test")
    assert (known.since, known.seen - known.since) == (START.timestamp(), 80 * 86400)


@pytest.mark.parametrize(
    ("day", "issuer", "level"),
    [
        (70, "'Good CA'", Level.INFO),  # a usual renewal
        (10, "'Good CA'", Level.WARN),  # far too early: the case of jabber.ru
        (70, "'Other CA'", Level.WARN),
    ],
)
def test_another_key_is_a_change_that_says_what_was_and_what_is(day: float, issuer: str, level: Level) -> None:
    remembering = Remembering()
    remembering.saw("aa")
    change = remembering.saw("bb", day=day, issuer=issuer, begins=START + timedelta(days=day))
    assert change is not None
    assert change.level is level
    assert "It was sha256:aa from 'Good CA', first seen 2026-06-15, valid until 2026-09-13" in change.sentence
    assert f"it is sha256:bb from {issuer}, first seen" in change.sentence


def test_another_issuer_of_the_same_key_is_a_change() -> None:
    remembering = Remembering()
    remembering.saw("aa")
    change = remembering.saw("aa", issuer="'Other CA'")
    assert change is not None
    assert "the same key in a certificate of another issuer" in change.sentence


def test_servers_with_keys_of_their_own_are_a_change_once_each() -> None:
    remembering = Remembering()
    changes = [remembering.saw(key) for key in ("aa", "bb", "aa", "bb", "aa")]
    assert [change is not None for change in changes] == [False, True, False, False, False]


def test_what_is_remembered_is_bounded_and_a_family_takes_no_room_from_others() -> None:
    remembering = Remembering(most=10)
    remembering.saw("aa", domain="quiet.example")
    for number in range(100):
        remembering.saw(f"{number:02}", domain="many.test")
        remembering.saw("aa", domain=f"d{number}.many.test")
    assert len(remembering.keys.of("many.test")) <= MOST_KEYS
    assert len(list(remembering.keys.records())) == 10
    assert remembering.keys.of("quiet.example")


def test_what_has_no_key_is_not_remembered() -> None:
    remembering = Remembering()
    remembering.keys.saw("far.test", CertificateVerdict(reason=Reason.ABSENT))
    assert remembering.keys.of("far.test") == ()


# -- the file ----------------------------------------------------------------------------------------------------------


def kept(folder: Path, said: list[Notice] | None = None) -> tuple[Remembering, KnownKeysFile, Clock]:
    remembering, clock = Remembering(), Clock()
    heard: list[Notice] = [] if said is None else said
    file = KnownKeysFile(remembering.keys, folder / FILE, clock, heard.append)
    file.startService()
    return remembering, file, clock


def test_keys_survive_a_restart_and_a_crash_a_minute_later(tmp_path: Path) -> None:
    remembering, file, clock = kept(tmp_path)
    remembering.saw("aa")
    clock.advance(SAVE_SECONDS)
    assert kept(tmp_path)[0].keys.of("far.test")  # as after a crash
    remembering.saw("bb")
    file.stopService()
    again, _, _ = kept(tmp_path)
    assert [known.key for known in again.keys.of("far.test")] == ["bb", "aa"]
    assert again.saw("bb") is None
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_nothing_is_written_when_nothing_is_new(tmp_path: Path) -> None:
    remembering, _, clock = kept(tmp_path)
    remembering.saw("aa")
    clock.advance(SAVE_SECONDS)
    (tmp_path / FILE).unlink()
    remembering.saw("aa", day=0.5)
    clock.advance(SAVE_SECONDS)
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize(
    "content",
    [
        *("", "nonsense", "[]", '{"domains": [{"domain": "a", "keys": [{"key": 1}]}]}'),
        '{"domains": [{"domain": "a", "keys": []}]}',
    ],
)
def test_a_file_that_cannot_be_read_is_put_aside(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    said: list[Notice] = []
    remembering, file, _ = kept(tmp_path, said)
    assert "cannot read the known keys" in said[0].sentence
    assert (tmp_path / FILE).with_suffix(".unreadable").read_text() == content
    remembering.saw("aa")
    file.stopService()
    assert json.loads((tmp_path / FILE).read_text())["domains"][0]["domain"] == "far.test"


def test_a_pipe_in_place_of_the_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / FILE)
    said: list[Notice] = []
    kept(tmp_path, said)
    assert "is a named pipe" in said[0].sentence
    assert not (tmp_path / FILE).exists()


def test_a_file_that_cannot_be_written_is_told_and_tried_again(tmp_path: Path) -> None:
    said: list[Notice] = []
    folder = tmp_path / "state"
    folder.mkdir()
    remembering, _, clock = kept(folder, said)
    folder.rmdir()
    folder.touch()
    remembering.saw("aa")
    clock.advance(SAVE_SECONDS)
    assert said[0].sentence.startswith(f"cannot write {folder / FILE}: ")
    clock.advance(SAVE_SECONDS)
    assert len(said) == 1, "one warning is enough"
    folder.unlink()
    clock.advance(SAVE_SECONDS)
    assert (folder / FILE).exists()
    assert len(said) == 1
    (folder / FILE).unlink()
    folder.rmdir()
    folder.touch()
    remembering.saw("bb")
    clock.advance(SAVE_SECONDS)
    assert len(said) == 2, "it had worked in between"


def test_a_folder_that_is_gone_keeps_nothing_from_starting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(30, "Read-only file system")

    (tmp_path / FILE).write_text("nonsense")
    monkeypatch.setattr(Path, "replace", refuse)
    said: list[Notice] = []
    kept(tmp_path, said)
    assert f"{tmp_path / FILE} cannot be renamed either (Read-only file system)" in said[0].sentence
