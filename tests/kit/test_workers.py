"""Tests in several processes: what they report, what they share, and what follows when one dies."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.workers import leave_out_what_is_there, worth_sending

ROOT = Path(__file__).parents[2]
SETTINGS = "[pytest]\naddopts = -q -p tests.parallel -p tests.workers -p no:cacheprovider\n"


class Folder:
    """A folder with its own tests."""

    def __init__(self, path: Path) -> None:
        self._path = path
        (path / "pytest.ini").write_text(SETTINGS)

    def test(self, *options: str, **files: str) -> tuple[int, str]:
        """Run these tests by two workers; return the exit status and what was written."""
        for name, text in files.items():
            (self._path / f"{name}.py").write_text(f"import os, pathlib, pytest, sys, time, warnings\n{text}")
        command = [sys.executable, "-m", "pytest", "--workers=2", f"--basetemp={self._path / 'tmp'}", *options]
        ended = subprocess.run(command, cwd=self._path, capture_output=True, text=True, timeout=120, check=False)
        return ended.returncode, ended.stdout + ended.stderr


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "yes")  # they need nothing of others
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)  # which may name what these runs cannot find
    return Folder(tmp_path)


MEET = """
COLLECTED_BY = int(os.environ.setdefault("COLLECTED_BY", str(os.getpid())))
def test_meet(tmp_path):
    print("from {name}")
    pathlib.Path(tmp_path.parent.name + ".here").touch()
    until = time.monotonic() + 30
    while len([*pathlib.Path().glob("*.here")]) < 2 and time.monotonic() < until:
        time.sleep(0.01)
    assert len([*pathlib.Path().glob("*.here")]) < 2, f"collected by {{COLLECTED_BY - os.getppid()}}"
"""


def test_two_files_run_at_the_same_time_with_what_is_theirs(folder: Folder) -> None:
    """They share the collection. Neither writes into the other's folder, or into what is captured of the other."""
    ended, said = folder.test(**{f"test_{name}": MEET.format(name=name) for name in "ab"})
    assert ended == 1
    assert said.count("E       AssertionError: collected by 0\n") == 2, said
    assert set(re.findall(r"Captured stdout call -+\nfrom (.)\n[=_]", said)) == {"a", "b"}, said


def test_failures_skips_and_warnings_are_reported(folder: Folder) -> None:
    ended, said = folder.test(
        test_a="""
def test_wrong(): print("a clue"); assert 1 == 2
def test_not_here(): pytest.skip("no ground")
def test_doubtful(): warnings.warn("thin ice")
""",
        test_b="@pytest.fixture\ndef broken(): raise ValueError\ndef test_b(broken): pass\n",
    )
    assert ended == 1
    assert "1 failed, 1 passed, 1 skipped, 1 warning, 1 error" in said
    assert re.search("a clue", said)
    assert re.search("UserWarning: thin ice", said)


def test_a_worker_that_dies_has_failed_one_test_and_another_goes_on(folder: Folder) -> None:
    dies = "def test_before(): pass\ndef test_dies(): os._exit(7)\ndef test_after(): pass\n"
    ended, said = folder.test(test_a=dies, test_b="def test_b(): pass\n")
    assert ended == 1
    assert "FAILED test_a.py::test_dies - its worker died, with status 7" in said
    assert "1 failed, 3 passed" in said


SESSION = """
@pytest.fixture(scope="session")
def server():
    yield os.getpid()
    {end}
@pytest.fixture(scope="module", autouse=True)
def module():
    yield
    pathlib.Path("ended").open("a").write("module of {name}\\n")
def test_it(server): assert server == os.getpid()
"""


def test_what_the_session_has_started_outlives_the_scope_and_not_the_worker(folder: Folder, tmp_path: Path) -> None:
    end = 'pathlib.Path("ended").open("a").write("server\\n")'
    ended, said = folder.test("--workers=1", **{f"test_{name}": SESSION.format(name=name, end=end) for name in "ab"})
    assert ended == 0, said
    assert (tmp_path / "ended").read_text().splitlines() == ["module of a", "module of b", "server", "server"]


def test_what_cannot_be_taken_down_is_a_failure(folder: Folder) -> None:
    ended, said = folder.test(test_a=SESSION.format(name="a", end="raise ValueError('it hangs')"))
    assert (ended, "1 failed, 1 passed" in said, "it hangs" in said) == (1, True, True), said


@pytest.mark.parametrize("end", ["assert False", "os._exit(7)"], ids=["fails", "dies"])
def test_enough_failures_end_the_run(folder: Folder, end: str) -> None:
    others = '@pytest.mark.parametrize("n", range(100))\ndef test_next(n): time.sleep(0.05)\n'
    ended, said = folder.test("-x", "--workers=1", test_a=f"def test_first(): {end}\n{others}", test_b=others)
    assert (ended, "stopping after 1 failures" in said) == (1, True)
    assert said.partition("\n")[0].count(".") < 50  # the word to end may come late


def test_a_file_that_cannot_be_imported_ends_the_run(folder: Folder) -> None:
    ended, said = folder.test(test_a="def test_a(): pass\n", test_b="raise ValueError('no such file')\n")
    assert (ended, "no such file" in said, "passed" in said) == (2, True, False), said


REACTOR = """
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ServerEndpoint
def test_it(tmp_path):
    reactor.callLater(0.5, reactor.stop)
    reactor.run(installSignalHandlers=False)
"""


def test_each_worker_has_its_own_reactor(folder: Folder) -> None:
    """Of two forks that watch one set of descriptors, each would be woken for the other's, and end never or early."""
    wakes = REACTOR.replace("callLater(0.5, reactor.stop)", "callFromThread(reactor.stop)")
    own = "def test_own():\n    assert reactor._poller.fileno() != COLLECTED\n"
    texts = {f"test_{name}": wakes + "COLLECTED = reactor._poller.fileno()\n" + own for name in "ab"}
    ended, said = folder.test(**texts)
    assert (ended, "4 passed" in said) == (0, True), said


def test_what_files_keep_is_no_work_for_the_garbage_collector() -> None:
    kept = [object()]
    assert any(each is kept for each in gc.get_objects())
    leave_out_what_is_there()
    assert not any(each is kept for each in gc.get_objects())


def report(when: Any, outcome: Any) -> pytest.TestReport:
    return pytest.TestReport("x", ("x", 1, "x"), {"x": 1}, outcome, None, when, duration=2.0)


def test_one_report_is_sent_of_a_test_that_has_passed() -> None:
    [sent] = worth_sending([report("setup", "passed"), call := report("call", "passed"), report("teardown", "passed")])
    assert (sent, sent.duration, sent.keywords) == (call, 6.0, {})


@pytest.mark.parametrize(
    "outcomes",
    [
        {"setup": "failed", "teardown": "passed"},
        {"setup": "skipped", "teardown": "passed"},
        {"setup": "passed", "call": "failed", "teardown": "passed"},
        {"setup": "passed", "call": "skipped", "teardown": "passed"},
        {"setup": "passed", "call": "passed", "teardown": "failed"},
        {"setup": "passed", "teardown": "passed"},  # --setup-only
    ],
    ids=lambda outcomes: " ".join(outcomes.values()),
)
def test_all_reports_are_sent_of_any_other_test(outcomes: dict[str, str]) -> None:
    reports = [report(when, outcome) for when, outcome in outcomes.items()]
    assert worth_sending(reports) == reports
