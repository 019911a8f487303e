"""`make features`: run the tests that carry ids, write docs/feature-set.md, and say what no longer holds.

Everything that the tests need must be there: a row that was not tried is not proven. The exit status is 1 when a test
has failed. When a row that held according to the page no longer holds, the page is left as it is, so that nobody loses
a row without wanting to; to give one up, take it out of the page.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.features.table import FOLDERS, SERVER, Tally, holding, write

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "feature-set.md"


class Counting:
    """Counts how the tests of each file go."""

    def __init__(self) -> None:
        self.tallies: dict[str, Tally] = defaultdict(Tally)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        tally = self.tallies[report.nodeid.partition("::")[0]]
        if report.failed:
            tally.failed += 1
        elif report.passed and report.when == "call":
            tally.passed += 1

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.tallies[report.nodeid].failed += 1


def main() -> int:
    os.environ.setdefault("XMPP_GATEWAY_INTEROP", "require")
    counting = Counting()
    status = pytest.main([str(ROOT / FOLDERS[SERVER]), *sys.argv[1:]], plugins=[counting])
    before = PAGE.read_text() if PAGE.exists() else ""
    after = write(counting.tallies)
    print("\n".join(after.splitlines()[-2:]))
    lost = sorted(holding(before) - holding(after))
    for row, role in lost:
        print(f"{row} held as {role}, and does not any longer", file=sys.stderr)
    if not lost:
        PAGE.write_text(after)
    return 1 if status or lost else 0


if __name__ == "__main__":
    sys.exit(main())
