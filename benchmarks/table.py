"""The results: one table for people, one JSON document for programs."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from datetime import UTC, datetime

from benchmarks.figures import BEFORE, OURS, Row, Series

HEADINGS = ("workload", "figure", "unit")
LAST_HEADINGS = ("ours/better", "target", "")
CHANGE = "ours/before"


def render(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Return the table: for each server the median, then the least and the largest of the rounds."""
    changes = [CHANGE] if BEFORE in names else []
    lines = [(*HEADINGS, *names, *changes, *LAST_HEADINGS)]
    workload = ""
    for row in rows:
        shown = row.title if row.title != workload else ""
        workload = row.title
        cells = [_series(row.series.get(name)) for name in names]
        if changes:
            cells.append(_as_ratio(row.change))
        cells += [_as_ratio(row.ratio), _target(row), _verdict(row)]
        lines.append((shown, row.figure.title, row.figure.unit, *cells))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def document(rows: Sequence[Row], *, rounds: int) -> str:
    """Return all values of all rounds, and the results computed from them."""
    return json.dumps(
        {
            "when": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": {"processor": platform.processor() or platform.machine(), "python": platform.python_version()},
            "rounds": rounds,
            "figures": [
                {
                    "workload": row.workload,
                    "figure": row.figure.key,
                    "unit": row.figure.unit,
                    "target": row.figure.target,
                    "limit": row.figure.limit,
                    "ratio": row.ratio,
                    "change": row.change,
                    "meets_target": row.meets_target,
                    "servers": {
                        name: {"median": series.median, "spread": series.spread, "rounds": list(series.values)}
                        for name, series in row.series.items()
                    },
                }
                for row in rows
            ],
        },
        indent=1,
    )


def number(value: float) -> str:
    """Return a number with three significant digits."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _series(series: Series | None) -> str:
    if series is None:
        return "-"
    return f"{number(series.median)} ({number(series.least)}-{number(series.largest)})"


def _as_ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _target(row: Row) -> str:
    if row.figure.limit is not None:
        return f"{OURS} <= {row.figure.limit:.2f}"
    return "" if row.figure.target is None else f"<= {row.figure.target:.2f}"


def _verdict(row: Row) -> str:
    return {True: "met", False: "missed", None: ""}[row.meets_target]
