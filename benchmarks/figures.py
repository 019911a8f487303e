"""The figures: what is measured for each workload, over several rounds, and the ratio of ours to the others'.

A figure is the median of its rounds, with the least and the largest beside it; it is compared by the ratio of medians
to the better of the others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

OURS = "gateway"
BEFORE = "before"  # an earlier state of ours


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A quantity that is measured.

    `target` is the ratio to the better of the others that ours should not exceed; `limit` is for our value alone.
    """

    key: str
    title: str
    unit: str
    target: float | None = None
    limit: float | None = None
    more_is_better: bool = False


@dataclass(frozen=True, kw_only=True)
class Series:
    """The values of all rounds."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        """The value in the middle."""
        return median(self.values)

    @property
    def least(self) -> float:
        """The smallest value."""
        return min(self.values)

    @property
    def largest(self) -> float:
        """The largest value."""
        return max(self.values)

    @property
    def spread(self) -> float:
        """The distance between the rounds, as a part of the median."""
        return (self.largest - self.least) / self.median if self.median else 0.0


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure of one workload, for every server that did the work."""

    workload: str
    title: str
    figure: Figure
    series: Mapping[str, Series]

    @property
    def ratio(self) -> float | None:
        """Return the ratio of ours to the better of the others; None if either is missing."""
        others = [series.median for name, series in self.series.items() if name not in (OURS, BEFORE)]
        if OURS not in self.series or not others:
            return None
        better = max(others) if self.figure.more_is_better else min(others)
        return self.series[OURS].median / better if better else None

    @property
    def change(self) -> float | None:
        """Return the ratio of ours to an earlier state; None if that was not measured."""
        before = self.series.get(BEFORE)
        return self.series[OURS].median / before.median if before and before.median and OURS in self.series else None

    @property
    def meets_target(self) -> bool | None:
        """Return whether ours meets its target; None if it has none, or there is nothing to compare with."""
        if self.figure.limit is not None and OURS in self.series:
            return self.series[OURS].median <= self.figure.limit
        if self.figure.target is not None and self.ratio is not None:
            return self.ratio <= self.figure.target
        return None


def percentile(values: Iterable[float], part: float) -> float:
    """Return the value below which this part of the others lies: the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def turns(names: Sequence[str], rounds: int) -> Iterable[tuple[int, str]]:
    """Yield the order of measurement: all in each round, and the last one first in every other round."""
    for number in range(rounds):
        yield from ((number, name) for name in (names if number % 2 == 0 else reversed(names)))
