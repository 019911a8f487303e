"""Files that are replaced whole or not at all."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.storage.whole_files import write_whole


def test_a_file_is_replaced_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "lists" / "spam.txt"
    write_whole(file, ["one\n"])
    write_whole(file, ["two\n", "three\n"])
    assert file.read_text() == "two\nthree\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [*file.parent.iterdir()] == [file]


def test_a_failure_in_the_middle_leaves_the_old_file_and_a_draft_that_no_backup_copies(tmp_path: Path) -> None:
    def broken() -> Iterator[str]:
        yield "two\n"
        raise OSError("no space left on device")

    file = tmp_path / "known-keys.json"
    write_whole(file, ["one\n"])
    with pytest.raises(OSError, match="no space"):
        write_whole(file, broken())
    assert file.read_text() == "one\n"
    assert {each.suffix for each in tmp_path.iterdir() if each != file} == {".new"}
