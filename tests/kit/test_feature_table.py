"""The table of features says what the tests say, and notices what is lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.features.rows import ROWS, Row
from tests.features.table import CLIENT, SERVER, Tally, Verdict, files_of, holding, verdict, write

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
