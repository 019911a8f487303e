"""Lists in files: comments and empty lines, and a file that is too long."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.filters import lists
from gateway.filters.lists import read_list_file


def test_comments_and_empty_lines_are_no_entries(tmp_path: Path) -> None:
    file = tmp_path / "bad.txt"
    file.write_text("# of mine\n\nevil.test  # spam\n   \n@@\n")
    entries, wrong = read_list_file(file)
    assert set(entries) == {"evil.test"}
    assert [each.partition(":")[0] for each in wrong] == ["line 5"]


def test_a_file_is_read_as_far_as_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "MOST_ENTRIES", 2)
    file = tmp_path / "bad.txt"
    file.write_text("a.test\nb.test\nc.test\n@@\n")
    entries, wrong = read_list_file(file)
    assert set(entries) == {"a.test", "b.test"}
    assert wrong == ["line 3: more than 2 entries; the rest is left out"]
