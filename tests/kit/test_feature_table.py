"""The table of features says what the tests say, and notices what is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.features.rows import ROWS, Row, files_elsewhere
from tests.features.table import CLIENT, SERVER, Tally, Verdict, files_of, holding, tallies, verdict, write
from tests.features.test_2_2_1 import ONLY_PRECIS, SPELLINGS

FEATURES = Path(__file__).parents[1] / "features"
OWN = Row(id="7-1", server="R", client="R", feature="binding")
ALIKE = Row(id="2.1-1", server="R", client="r", feature="domainparts", alike=True)
SERVERS = Row(id="8-1", server="r", client="-", feature="dialback")
PASSED, FAILED, SKIPPED = Tally(passed=2), Tally(passed=1, failed=1), Tally()


@pytest.mark.parametrize(
    ("row", "role", "tallies", "state"),
    [
        (OWN, SERVER, {"tests/features/test_7_1.py": PASSED}, Verdict.HOLDS),
        (OWN, CLIENT, {"tests/features/test_7_1.py": PASSED}, Verdict.NOT_PROVEN),
        (OWN, CLIENT, {"tests/features/client/test_7_1.py": PASSED}, Verdict.HOLDS),
        (OWN, SERVER, {"tests/features/client/test_7_1.py": PASSED}, Verdict.NOT_PROVEN),
        (OWN, SERVER, {"tests/features/test_7_1.py": FAILED}, Verdict.FAILS),
        (OWN, SERVER, {"tests/features/test_7_1.py": SKIPPED}, Verdict.NOT_PROVEN),
        (OWN, SERVER, {}, Verdict.NOT_PROVEN),
        (ALIKE, CLIENT, {"tests/features/test_2_1_1.py": PASSED}, Verdict.HOLDS),
        (ALIKE, CLIENT, {"tests/features/test_2_1_1.py": FAILED}, Verdict.FAILS),
        (SERVERS, CLIENT, {"tests/features/test_8_1.py": PASSED}, Verdict.NOT_MEANT),
    ],
)
def test_verdict(row: Row, role: str, tallies: dict[str, Tally], state: Verdict) -> None:
    assert verdict(row, role, tallies) is state


RESULTS = """<testsuites><testsuite name="pytest">
    <testcase classname="tests.features.test_7_1" name="test_a[x.y]" time="0.1"/>
    <testcase classname="tests.features.test_7_1.TestClass" name="test_b"><failure message="assert False"/></testcase>
    <testcase classname="tests.features.test_7_1" name="test_c"><skipped type="pytest.skip"/></testcase>
    <testcase classname="tests.features.client.test_7_1" name="test_d"/>
    <testcase classname="tests.features.client.test_7_1" name="test_d"><error message="failed on teardown"/></testcase>
    <testcase classname="" name="tests.features.test_8_1"><error message="collection failure"/></testcase>
    <testcase classname="tests.unit.test_turns" name="test_e"/>
</testsuite></testsuites>"""


def test_results_of_a_run_are_counted_by_file() -> None:
    assert tallies(RESULTS) == {
        "tests/features/test_7_1.py": Tally(passed=1, failed=1),
        "tests/features/client/test_7_1.py": Tally(passed=1, failed=1),
        "tests/features/test_8_1.py": Tally(failed=1),
    }


def test_a_second_run_counts_where_there_is_one() -> None:
    again = RESULTS.replace('<failure message="assert False"/>', "").replace(
        'name="test_d"><error', 'name="test_d2"><error'
    )
    counted = tallies(RESULTS, again)
    assert counted["tests/features/test_7_1.py"] == Tally(passed=2)
    assert counted["tests/features/client/test_7_1.py"] == Tally(passed=1, failed=1)


def test_results_are_read_as_pytest_writes_them(tmp_path: Path) -> None:
    results, file = tmp_path / "results.xml", "tests/features/test_2_2_1.py"
    command = [sys.executable, "-m", "pytest", f"--junit-xml={results}", f"{file}::test_spelling_is_prepared"]
    subprocess.run(command, cwd=FEATURES.parents[1], capture_output=True, check=True)
    assert tallies(results.read_text()) == {file: Tally(passed=len(SPELLINGS + ONLY_PRECIS))}


def test_what_holds_can_be_read_back_from_the_page() -> None:
    everything = {file: PASSED for row in ROWS for role in (SERVER, CLIENT) for file in files_of(row, role)}
    meant = {
        (row.id, role) for row in ROWS for role, level in ((SERVER, row.server), (CLIENT, row.client)) if level != "-"
    }
    assert holding(write(everything)) == meant
    less = {file: tally for file, tally in everything.items() if "test_7_1" not in file}
    assert meant - holding(write(less)) == {("7-1", SERVER), ("7-1", CLIENT)}
    assert holding(write({})) == set()


def test_ids_are_unique_and_levels_known() -> None:
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert {row.server for row in ROWS} | {row.client for row in ROWS} == {"R", "r", "o", "-"}


def test_every_file_of_tests_carries_the_id_of_a_row() -> None:
    known = {row.file for row in ROWS}
    assert {file.name for file in FEATURES.rglob("test_*.py")} <= known


def test_the_tests_of_the_appendix_are_there_and_run_with_make_features() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "tests.features.rows"],
        cwd=FEATURES.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    files = printed.stdout.split()
    assert files == files_elsewhere()
    assert all((FEATURES.parents[1] / file).is_file() for file in files)
    assert "tests.features.rows" in (FEATURES.parents[1] / "Makefile").read_text()
