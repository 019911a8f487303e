"""docs/images/imports.svg, drawn from the imports of the code: `python -m tests.docs.draw`.

A box for each folder of the map in gateway/__init__.py, and a line from each down to those that it imports, unless
another path leads there anyway. A folder stands one row above the highest that it imports, so every line leads down.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from html import escape

from tests.test_architecture import FOLDERS, dotted, folder_of, imported_folders, modules

WIDTH, ROW, BOX, MARGIN = 900, 62, 28, 14
LETTER = 7.4
STYLE = """
  svg { color-scheme: light dark }
  text { font: 12px ui-monospace, 'DejaVu Sans Mono', monospace; text-anchor: middle }
  text { fill: light-dark(#16202b, #e7edf3) }
  rect { fill: light-dark(#eef3f8, #202b36); stroke: light-dark(#b8c4d0, #3a4957) }
  path { fill: none; stroke: light-dark(#3b6fd8, #7ea6ff); stroke-opacity: .6; stroke-width: 1.3 }
"""

Edges = dict[str, set[str]]


def drawing() -> str:
    """Return the picture as text."""
    beneath = reduced(edges())
    rows = rows_of(beneath)
    height = len(rows) * ROW + 2 * MARGIN
    places = {folder: place for row, folders in enumerate(reversed(rows)) for folder, place in _places(folders, row)}
    lines = [
        f'<path d="{_curve(places[above], places[below])}"/>'
        for above in sorted(beneath)
        for below in sorted(beneath[above])
    ]
    boxes = [_box(folder, *place) for folder, place in places.items()]
    label = "The folders of the package; lines lead from each down to those that it imports."
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">',
            f"<style>{STYLE}</style>",
            *lines,
            *boxes,
            "</svg>\n",
        ]
    )


def edges() -> Edges:
    """Return which folders each folder imports."""
    beneath: Edges = {folder: set() for folder in FOLDERS}
    for path in modules():
        if above := folder_of(dotted(path)):
            beneath[above] |= {below for _, below in imported_folders(path)} - {above}
    return beneath


def reduced(beneath: Edges) -> Edges:
    """Return the edges without those that a longer path replaces."""

    @cache
    def reached(folder: str) -> frozenset[str]:
        return frozenset().union(*({below} | reached(below) for below in beneath[folder]))

    return {
        above: {below for below in found if not any(below in reached(other) for other in found - {below})}
        for above, found in beneath.items()
    }


def rows_of(beneath: Edges) -> list[list[str]]:
    """Return the folders row by row, bottom row first."""

    @cache
    def row(folder: str) -> int:
        return max((row(below) + 1 for below in beneath[folder]), default=0)

    rows: list[list[str]] = [[] for _ in range(max(map(row, FOLDERS)) + 1)]
    for folder in FOLDERS:
        rows[row(folder)].append(folder)
    return rows


def _places(folders: list[str], row: int) -> Iterator[tuple[str, tuple[float, float, float]]]:
    widths = [len(folder) * LETTER + 18 for folder in folders]
    gap = (WIDTH - sum(widths)) / (len(folders) + 1)
    x = gap
    for folder, width in zip(folders, widths, strict=True):
        yield folder, (x, MARGIN + row * ROW, width)
        x += width + gap


def _curve(above: tuple[float, float, float], below: tuple[float, float, float]) -> str:
    x1, y1 = above[0] + above[2] / 2, above[1] + BOX
    x2, y2 = below[0] + below[2] / 2, below[1]
    bend = (y2 - y1) / 2
    return f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"


def _box(folder: str, x: float, y: float, width: float) -> str:
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BOX}" rx="6"/>'
        f'<text x="{x + width / 2:.0f}" y="{y + 18:.0f}">{escape(folder)}</text>'
    )


if __name__ == "__main__":
    print(drawing(), end="")
