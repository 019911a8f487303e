"""The page of figures is made from what a run has written."""

from __future__ import annotations

import json

from benchmarks.figures import Figure, Row, Series
from benchmarks.report import NOT_MEASURED, page
from benchmarks.table import document


def test_each_figure_of_a_run_is_a_line_of_the_page() -> None:
    cost = Figure(key="cost", title="processor time", unit="µs")
    series = {"gateway": Series(values=[2.0, 1.0, 3.0]), "prosody": Series(values=[4.0, 4.0, 5.0])}
    rows = [
        Row(workload="one", title="One", figure=cost, series=series),
        Row(workload="ours", title="Ours alone", figure=cost, series={"gateway": Series(values=[1.5])}),
    ]
    written = page(json.loads(document(rows, rounds=3)))
    assert "| one | cost, µs | 2.00 (1.00 to 3.00) | 4.00 (4.00 to 5.00) | 0.50 |" in written
    assert "| ours | cost, µs | 1.50 (1.50 to 1.50) | - |  |" in written
    assert "3 rounds" in written
    assert NOT_MEASURED not in written


def test_without_a_run_the_page_says_so() -> None:
    assert NOT_MEASURED in page(None)
