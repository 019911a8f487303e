"""docs/figures.md, from the JSON of a run: `python -m benchmarks.report RESULTS.json > docs/figures.md`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import BEFORE, OURS
from benchmarks.table import number

INTRODUCTION = """\
# Figures

`make bench` starts the gateway, Prosody and ejabberd on loopback, gives each the same work, in turns within one run,
and reads the processor time of their processes from the operating system. Times differ from machine to machine, so
only the ratios within one run count. Prosody and ejabberd are Debian's packages. `make profile` shows where the
gateway's own time goes.

Prosody and ejabberd are whole servers, and do more for a stanza than a gateway has to. A ratio below 1 shows what the
work at the border costs, not that one program is better than the other.
"""
NOT_MEASURED = "No run has been published on this page yet.\n"
REPEAT = """\
## How to repeat it

On an otherwise idle machine:

```
make bench
.venv/bin/python -m benchmarks.report benchmarks/results/WHEN.json > docs/figures.md
```

`python -m benchmarks --before ../earlier` measures another checkout of the gateway as well, in turns with this one, and
shows what a change has cost. The other checkout needs its own `.venv`.
"""


def page(results: Mapping[str, Any] | None) -> str:
    """Return the page, with the figures of a run if there is one."""
    return "\n".join([INTRODUCTION, *(_run(results) if results else [NOT_MEASURED]), REPEAT])


def _run(results: Mapping[str, Any]) -> Iterator[str]:
    figures: Sequence[Mapping[str, Any]] = results["figures"]
    names = list(dict.fromkeys(name for figure in figures for name in figure["servers"] if name != BEFORE))
    machine = results["machine"]
    yield (
        f"Run of {results['when'][:10]}: {results['rounds']} rounds; processor {machine['processor']}, "
        f"Python {machine['python']}.\nEach cell is the median of the rounds, with the least and the largest.\n"
        f"The ratio is that of {OURS} to the better of the others.\n"
    )
    yield f"| workload | figure | {' | '.join(names)} | ratio |"
    yield "|---|---|" + "---|" * (len(names) + 1)
    for figure in figures:
        cells = [_cell(figure["servers"].get(name)) for name in names]
        ratio = "" if figure["ratio"] is None else f"{figure['ratio']:.2f}"
        yield f"| {figure['workload']} | {figure['figure']}, {figure['unit']} | {' | '.join(cells)} | {ratio} |"
    yield ""


def _cell(server: Mapping[str, Any] | None) -> str:
    if server is None:
        return "-"
    rounds = server["rounds"]
    return f"{number(server['median'])} ({number(min(rounds))} to {number(max(rounds))})"


def main() -> None:
    """Write the page to standard output."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument(
        "results", type=Path, nargs="?", metavar="RESULTS.json", help="left out: a page without figures"
    )
    file = parser.parse_args().results
    sys.stdout.write(page(json.loads(file.read_text()) if file else None))


if __name__ == "__main__":
    main()
