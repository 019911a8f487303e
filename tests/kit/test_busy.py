"""The second chance of tests that a busy machine may fail, and of no others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

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
    """A folder with tests of its own."""

    def __init__(self, path: Path, **files: str) -> None:
        self._path = path
        self.failures = path / "failures.json"
        (path / "pytest.ini").write_text(SETTINGS)
        for name, text in files.items():
            (path / f"{name}.py").write_text(text)

    def test(self) -> Mapping[str, str | None]:
        """Run all; return what has failed, with the reasons."""
        self._run("pytest", f"--failures={self.failures}")
        return dict(json.loads(self.failures.read_text()))

    def again(self) -> tuple[int, str]:
        """Give what has failed its second chance; return the exit status and what was printed."""
        done = self._run("tests.busy", self.failures, self._path / "again.xml")
        return done.returncode, done.stdout

    def _run(self, module: str, *words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", module, *map(str, words)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=self._path, env=environment, capture_output=True, text=True, timeout=120)


def test_what_was_late_is_run_again_and_named_with_its_reason(tmp_path: Path) -> None:
    folder = Folder(tmp_path, test_late=LATE)
    name = "test_late.py::test_the_first_time_it_is_late"
    assert folder.test() == {name: "waits for a train"}
    status, said = folder.again()
    assert status == 0, said
    assert f"1 test had to be run again, and passed:\n  {name}: waits for a train\n" in said


def test_what_needs_nobody_else_fails_at_once_and_for_all(tmp_path: Path) -> None:
    folder = Folder(tmp_path, test_late=LATE, test_wrong=WRONG)
    assert folder.test()["test_wrong.py::test_wrong"] is None
    status, said = folder.again()
    assert status == 1
    assert "test_wrong.py::test_wrong" in said.splitlines()
    assert not (tmp_path / "again.xml").exists()


def test_what_fails_again_has_failed(tmp_path: Path) -> None:
    folder = Folder(tmp_path, test_process=WITH_SUBPROCESS)
    assert folder.test() == {"test_process.py::test_of_a_process": "waits for another process"}
    status, said = folder.again()
    assert status == 1
    assert "not all have passed" in said


@pytest.mark.parametrize("text", [None, "{}"])
def test_a_run_that_ended_otherwise_has_no_second(tmp_path: Path, text: str | None) -> None:
    folder = Folder(tmp_path)
    if text is not None:
        folder.failures.write_text(text)
    assert folder.again()[0] == 1
