"""docs/images/imports.svg, drawn from the imports of the code: `python -m tests.docs.draw`.

A floor for each line of the map in tests/test_architecture.py, its rooms beside each other, and a line from each room
down to those that it imports, but for those that it would reach by other lines anyway. Every line leads down; that test
sees to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from html import escape

from tests.test_architecture import FLOORS, LEVEL, dotted, imports, modules, room_of

WIDTH, ROW, BOX, MARGIN = 960, 62, 28, 14
LETTER = 7.4
STYLE = """
  svg { color-scheme: light dark }
  text { font: 12px ui-monospace, 'DejaVu Sans Mono', monospace; text-anchor: middle }
  text { fill: light-dark(#16202b, #e7edf3) }
  rect { fill: light-dark(#eef3f8, #202b36); stroke: light-dark(#b8c4d0, #3a4957) }
  path { fill: none; stroke: light-dark(#3b6fd8, #7ea6ff); stroke-opacity: .6; stroke-width: 1.3 }
"""


def drawing() -> str:
    """The picture as text."""
    floors = [[room for room in floor if any(room_of(dotted(path)) == room for path in modules())] for floor in FLOORS]
    floors = [floor for floor in floors if floor]
    height = len(floors) * ROW + 2 * MARGIN
    places = {room: place for row, floor in enumerate(reversed(floors)) for room, place in _places(floor, row)}
    lines = [f'<path d="{_curve(places[above], places[below])}"/>' for above, below in sorted(reduced(edges()))]
    boxes = [_box(room, *place) for room, place in places.items()]
    label = "The rooms of the package in floors; lines lead from each room down to those that it imports."
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">',
            f"<style>{STYLE}</style>",
            *lines,
            *boxes,
            "</svg>\n",
        ]
    )


def edges() -> set[tuple[str, str]]:
    """Which room imports which."""
    found = set()
    for path in modules():
        above = room_of(dotted(path))
        for name in imports(path):
            below = room_of(name.removeprefix("gateway.")) if name.startswith("gateway.") else None
            if above and below and LEVEL[below] < LEVEL[above]:
                found.add((above, below))
    return found


def reduced(found: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The edges without those that a longer way replaces."""
    beneath: dict[str, set[str]] = {}
    for above, below in found:
        beneath.setdefault(above, set()).add(below)

    @cache
    def reached(room: str) -> frozenset[str]:
        return frozenset().union(*({below} | reached(below) for below in beneath.get(room, ())))

    return {
        (above, below)
        for above, below in found
        if not any(below in reached(other) for other in beneath[above] - {below})
    }


def _places(floor: list[str], row: int) -> Iterator[tuple[str, tuple[float, float, float]]]:
    widths = [len(room) * LETTER + 18 for room in floor]
    gap = (WIDTH - sum(widths)) / (len(floor) + 1)
    x = gap
    for room, width in zip(floor, widths, strict=True):
        yield room, (x, MARGIN + row * ROW, width)
        x += width + gap


def _curve(above: tuple[float, float, float], below: tuple[float, float, float]) -> str:
    x1, y1 = above[0] + above[2] / 2, above[1] + BOX
    x2, y2 = below[0] + below[2] / 2, below[1]
    bend = (y2 - y1) / 2
    return f"M{x1:.0f} {y1:.0f}C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2:.0f}"


def _box(room: str, x: float, y: float, width: float) -> str:
    return (
        f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{BOX}" rx="6"/>'
        f'<text x="{x + width / 2:.0f}" y="{y + 18:.0f}">{escape(room)}</text>'
    )


if __name__ == "__main__":
    print(drawing(), end="")
