"""`python -m tests.features RESULTS.xml...`: write docs/feature-set.md from a test run, and name what no longer holds.

The results are what pytest's `--junit-xml` writes, of all tests or of those in this folder; what a test did in a later
one is what counts. Everything that the tests
need must have been there: a row that was not tried is not proven. The exit status is 1 when a test has failed. When a
row that held according to the page no longer holds, the page is left as it is, so that nobody loses a row without
wanting to; to give one up, take it out of the page.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.features.table import holding, tallies, write

PAGE = Path(__file__).parents[2] / "docs" / "feature-set.md"


def main(*results: Path) -> int:
    """Write the page, unless a row would be lost; return the exit status."""
    counted = tallies(*(each.read_text() for each in results))
    before = PAGE.read_text() if PAGE.exists() else ""
    after = write(counted)
    print("\n".join(after.splitlines()[-2:]))
    lost = sorted(holding(before) - holding(after))
    for row, role in lost:
        print(f"{row} held as {role}, and does not any longer", file=sys.stderr)
    if not lost:
        PAGE.write_text(after)
    return 1 if lost or any(tally.failed for tally in counted.values()) else 0


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
