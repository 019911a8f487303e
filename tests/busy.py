"""Tests that may fail because the machine is busy, and their second chance in CI; a pytest plugin, and a command.

A test that waits for another process is patient, but a busy machine may keep that process from running for longer; one
that compares processor times may be disturbed whenever it tries. Such a test carries the mark `busy(reason)`. It is
given here to whatever has real servers, another process or a real reactor, and by hand to the rest. `--failures FILE`
writes down which tests have failed, and the reason of each.

    python -m tests.busy FILE RESULTS

runs these again, with few workers, and says which they were and why. If a test without the mark has failed, or the run
did not come to its end, it runs nothing. The exit status is 0 when all have passed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

SERVERS = {"world", "peer", "host", "postgresql"}  # who asks for one of these fixtures has servers started
FOLDERS = ("tests/interop/", "tests/faults/", "tests/operator/", "tests/load/")
REAL_SERVERS = "waits for real servers"
# What a module of tests has imported, and what that says about it.
IMPORTED = {
    "subprocess": "waits for another process",
    "forks": "waits for another process",
    "run_in_reactor": "waits for real connections",
}
FEW = 2  # workers of the second run
BUSY = "busy"


class Failures:
    """Which tests of this run have failed; it is told on the process that has workers, if there are any."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._failed: dict[str, str | None] = {}
        file.unlink(missing_ok=True)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure, also of a fixture."""
        if report.failed:
            self._failed[report.nodeid] = dict(report.user_properties).get(BUSY)  # type: ignore[assignment]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note a file that cannot be imported."""
        if report.failed:
            self._failed[report.nodeid] = None

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write the file, unless the run has been ended early."""
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            self._file.write_text(json.dumps(self._failed, indent=1))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--failures", type=Path, metavar="FILE", help="write there which tests have failed")


def pytest_configure(config: pytest.Config) -> None:
    if (file := config.getoption("--failures")) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Failures(file))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker(BUSY) is None and (reason := _reason(item)):
            item.add_marker(pytest.mark.busy(reason))


def _reason(item: pytest.Item) -> str | None:
    if item.nodeid.startswith(FOLDERS) or not SERVERS.isdisjoint(getattr(item, "fixturenames", ())):
        return REAL_SERVERS
    module = getattr(item, "module", None)
    return next((reason for name, reason in IMPORTED.items() if hasattr(module, name)), None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell the reason of a test that has failed to where the failures are written down."""
    report = yield
    if report.failed and (mark := item.get_closest_marker(BUSY)):
        report.user_properties.append((BUSY, mark.args[0]))
    return report


def main(failures: Path, results: Path, workers: int = FEW) -> int:
    """Give the failed tests their second chance, if all of them may have one; return the exit status."""
    if not failures.exists():
        print(f"no second run: the first one did not come to its end ({failures} is missing)")
        return 1
    failed: Mapping[str, str | None] = json.loads(failures.read_text())
    if broken := [name for name, reason in failed.items() if reason is None]:
        print("\n".join(["no second run: these tests need no servers, so they have failed for good:", *broken]))
        return 1
    if not failed:
        print("no second run: no test has failed, so it is something else that ended the first one")
        return 1
    run: Any = [sys.executable, "-m", "pytest", "-n", str(workers), "--dist", "loadscope", f"--junit-xml={results}"]
    status = subprocess.run([*run, *failed], check=False).returncode
    print(f"{len(failed)} {'test' if len(failed) == 1 else 'tests'} had to be run again, and {OUTCOME[status != 0]}:")
    print("\n".join(f"  {name}: {reason}" for name, reason in failed.items()))
    return status


OUTCOME = {False: "passed", True: "not all have passed"}


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
