"""The cost of `keep = "all"`, in calls for each flush: counted, so that it does not grow unnoticed."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.levels import FLUSH, PAIRS, Level
from tests.support.reactor import run_in_reactor

MOST_CALLS = 175
"""A quarter more than when this was written; of the thread that the reactor has, and of built-in functions as well."""
TURNS = 5


def test_a_flush_costs_a_bounded_number_of_calls_more_if_all_is_kept(tmp_path: Path) -> None:
    async def calls(level: str) -> int:
        way = Level(level, tmp_path)
        await way.round(2 * PAIRS * FLUSH)  # until all routes are open
        counted = 0

        def count(frame: object, event: str, argument: object) -> None:
            nonlocal counted
            counted += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            await way.round(TURNS * PAIRS * FLUSH)
        finally:
            sys.setprofile(None)
            await way.outbox.close()
        return counted

    async def scenario() -> tuple[int, int]:
        return await calls("no"), await calls("all")

    without, kept = run_in_reactor(scenario)
    assert 0 < kept - without <= MOST_CALLS * TURNS * PAIRS
