"""The second chance of tests that a busy machine may fail, and of no others."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.busy import main

ROOT = Path(__file__).parents[2]
SETTINGS = "[pytest]\naddopts = -p tests.busy -p no:cacheprovider\nmarkers = busy(reason): x\n"
LATE = """
import pathlib, pytest

@pytest.mark.busy("waits for a train")
def test_the_first_time_it_is_late():
    seen = pathlib.Path(__file__).with_name("seen")
    was_there = seen.exists()
    seen.touch()
    assert was_there
"""
WITH_SUBPROCESS = "import subprocess\ndef test_of_a_process():\n    assert False\n"
WRONG = "def test_wrong():\n    assert False\n"


class Folder:
    """A folder with its own tests."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failures = path / "failures.json"
        (path / "pytest.ini").write_text(SETTINGS)

    def test(self, **files: str) -> Mapping[str, str | None]:
        """Run these tests; return which have failed, with the reasons."""
        for name, text in files.items():
            (self.path / f"{name}.py").write_text(text)
        command = [sys.executable, "-m", "pytest", f"--failures={self.failures}"]
        subprocess.run(command, capture_output=True, timeout=120, check=False)
        return dict(json.loads(self.failures.read_text()))

    def again(self) -> int:
        """Give what has failed its second chance; return the exit status."""
        return main(self.failures, self.path / "again.xml", workers=0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)  # which may name what these runs cannot find
    return Folder(tmp_path)


def test_what_was_late_is_run_again_and_named_with_its_reason(
    folder: Folder, capfd: pytest.CaptureFixture[str]
) -> None:
    name = "test_late.py::test_the_first_time_it_is_late"
    assert folder.test(test_late=LATE) == {name: "waits for a train"}
    assert folder.again() == 0
    assert f"1 test had to be run again, and passed:\n  {name}: waits for a train\n" in capfd.readouterr().out


def test_what_needs_nobody_else_fails_at_once_and_for_all(folder: Folder, capfd: pytest.CaptureFixture[str]) -> None:
    assert folder.test(test_late=LATE, test_wrong=WRONG)["test_wrong.py::test_wrong"] is None
    assert folder.again() == 1
    assert "test_wrong.py::test_wrong" in capfd.readouterr().out.splitlines()
    assert not (folder.path / "again.xml").exists()


def test_what_fails_again_has_failed(folder: Folder, capfd: pytest.CaptureFixture[str]) -> None:
    assert folder.test(test_process=WITH_SUBPROCESS) == {
        "test_process.py::test_of_a_process": "waits for another process"
    }
    assert folder.again() == 1
    assert "not all have passed" in capfd.readouterr().out


@pytest.mark.parametrize("text", [None, "{}"])
def test_a_run_that_ended_otherwise_has_no_second(folder: Folder, text: str | None) -> None:
    if text is not None:
        folder.failures.write_text(text)
    assert folder.again() == 1
