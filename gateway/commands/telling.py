"""Output for people: tables, times, and attempts step by step. Text from peers is made harmless on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from textwrap import wrap
from typing import Any

from gateway.commands.screen import Screen, Tint
from gateway.notices.attempts.proofs import Proofs, sentence
from gateway.operations.log import MOST_CHARACTERS, harmless

MOST_CELL = 100
MOST_OBSERVED = 2000
WIDTH = 80
LEAST_LAST_COLUMN = 16
_UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
_LARGER = ("kB", "MB", "GB", "TB")


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], none: str) -> Iterator[str]:
    """Yield rows under their headings, each column as wide as needed; `none` when there are no rows."""
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        yield none
        return
    widths = [max(map(len, column)) for column in zip(headings, *cells, strict=True)]
    for row in (headings, *cells):
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def fitted(
    screen: Screen,
    headings: Sequence[str],
    rows: Iterable[Sequence[object]],
    none: str,
    tint: Callable[[Sequence[str]], Tint | None] = lambda cells: None,
    *,
    folds: bool = False,
) -> Iterator[str]:
    """Yield a table whose last column is cut where the screen ends, or folded; `tint` gives the colour of a row.

    All other columns are shown in full, so that their values can be copied.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        yield none
        return
    lines = list(table(headings[:-1], (row[:-1] for row in cells), none))
    start = max(map(len, lines)) + 2
    room = max(screen.width - start, LEAST_LAST_COLUMN)
    for line, row in zip(lines, [headings, *cells], strict=True):
        last = wrap(row[-1], room) if folds else [row[-1] if len(row[-1]) <= room else f"{row[-1][: room - 1]}…"]
        colour = Tint.FAINT if row is headings else tint(row)
        yield screen.tinted(f"{line:<{start}}{last[0]}".rstrip(), colour)
        yield from (screen.tinted(" " * start + more, colour) for more in last[1:])


def node_of(row: Mapping[str, Any]) -> list[object]:
    """Return the node of a row, where the gateway is one of several."""
    return [row["node"]] if "node" in row else []


_NOW = 0.5  # seconds, which would be shown as 0


def next_try(seconds: float | None) -> str:
    """Return when a domain is tried again; empty if no time is set."""
    if not seconds:
        return ""
    return f"in {duration(seconds)}" if seconds >= _NOW else "now"


def section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Yield lines under a title, with an empty line before it."""
    yield ""
    yield title
    yield from (f"  {line}" for line in lines)


def duration(seconds: float) -> str:
    """Return a time in one unit, or two where one would be coarse: 3 s, 2 min, 1 h 20 min, 5 d."""
    for (unit, length), (finer, shorter) in pairwise(_UNITS):
        if seconds >= length:
            whole, rest = divmod(int(seconds), length)
            more = rest // shorter if whole < 10 else 0
            return f"{whole} {unit}" + (f" {more} {finer}" if more else "")
    return f"{int(seconds)} s"


def size(count: float) -> str:
    """Return a number of bytes in a fitting unit."""
    if count < 1000:
        return f"{count:.0f} B"
    power = 1
    while power < len(_LARGER) and count >= 1000 ** (power + 1):
        power += 1
    return f"{count / 1000**power:.1f} {_LARGER[power - 1]}"


def folded(head: str, text: str, most: int = MOST_CHARACTERS) -> Iterator[str]:
    """Yield text as lines that fit, the first one after a head and the others below it."""
    lines = wrap(harmless(text, most), WIDTH - len(head))
    yield f"{head}{lines[0] if lines else ''}"
    yield from (f"{'':<{len(head)}}{line}" for line in lines[1:])


def clock(moment: float) -> str:
    """Return a moment in local time."""
    return f"{datetime.fromtimestamp(moment):%Y-%m-%d %H:%M:%S}"


def moment(when: float, now: float) -> str:
    """Return a moment in local time, without the date if it was within the last 20 hours."""
    return f"{datetime.fromtimestamp(when):{'%H:%M:%S' if abs(now - when) < 20 * 3600 else '%Y-%m-%d %H:%M'}}"


def attempt(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield one attempt: its end, its steps, and the remedy."""
    lasts = "has been under way for" if record["verdict"] == "under-way" else "took"
    yield f"{clock(record['began'])}  {harmless(record['who'])}"
    yield f"  {record['verdict']}; it {lasts} {record['seconds']:.2f} s"
    for each in record["steps"]:
        yield from step(each)
    if record["doing"]:
        yield f"  now   {harmless(record['doing'])}"
    if (proofs := record["proofs"]) is not None:
        yield from _entry("proofs", sentence(Proofs(**proofs)))
    if (ended := record["ended"]) is not None:
        end = f"after {duration(ended['lasted'])} ({ended['verdict']}): {ended['reason']}"
        yield from _entry("it ended", end)
    if record["failed"]:
        yield from _entry("what happened", record["what_happened"])
        if record["meaning"] != record["what_happened"]:
            yield from _entry("that means", record["meaning"])
        yield from _entry("whose side", record["side"])
        yield from _entry("remedy", record["mend"])


def step(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield one step: whether it succeeded, how long it took, and its details."""
    mark = "ok   " if record["ok"] else "FAIL "
    head = f"  {mark} {record['step']:<12} {record['seconds']:>7.3f} s  "
    lines = wrap(harmless(record["told"]) or "-", WIDTH - len(head)) or ["-"]
    yield head + lines[0]
    yield from (" " * len(head) + line for line in lines[1:])
    for name in ("offered", "required"):
        if record[name]:
            yield f"{'':<{len(head)}}{name}: {harmless(record[name], 200)}"


def _entry(title: str, text: str) -> Iterator[str]:
    return folded(f"  {title + ':':<15}", text)


def _cell(value: object) -> str:
    return "-" if value is None or value == "" else harmless(str(value), MOST_CELL)
