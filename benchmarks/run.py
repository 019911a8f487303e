"""The run: workload after workload, and in each of them round after round, the servers taking turns."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.arena import Arena
from benchmarks.figures import Row, Series, turns
from benchmarks.load.remote import RemoteFailure
from benchmarks.table import number
from benchmarks.workloads import Workload
from tests.interop.peers import PeerError

Tell = Callable[[str], None]


def progress(text: str) -> None:
    """Report progress on standard error, so that standard output has only the table."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True, kw_only=True)
class Run:
    """Some workloads, several rounds of each."""

    workloads: Sequence[type[Workload]]
    rounds: int
    tell: Tell = progress

    def rows(self, arena: Arena) -> Iterator[Row]:
        """Yield the figures of each workload when it is done; a failure of one does not stop the others."""
        for kind in self.workloads:
            try:
                measured = self._measured(kind, arena)
            except (RemoteFailure, PeerError) as problem:
                self.tell(f"{kind.title}: given up: {problem}")
            else:
                yield from self._rows_of(kind, measured)

    @staticmethod
    def _rows_of(kind: type[Workload], measured: Mapping[str, Sequence[Mapping[str, float]]]) -> Iterator[Row]:
        for figure in kind.figures:
            series = {
                name: Series(values=[figures[figure.key] for figures in rounds])
                for name, rounds in measured.items()
                if rounds
            }
            yield Row(workload=kind.key, title=kind.title, figure=figure, series=series)

    def _measured(self, kind: type[Workload], arena: Arena) -> dict[str, list[Mapping[str, float]]]:
        """Return the figures of each round, by server."""
        with ExitStack() as ends:
            ready = {
                name: ends.enter_context(kind(arena, subject))
                for name, subject in arena.subjects.items()
                if kind.suits(subject)
            }
            for name, workload in ready.items():
                self.tell(f"{kind.title}: {name} warms up")
                workload.warm_up()
            measured: dict[str, list[Mapping[str, float]]] = {name: [] for name in ready}
            for turn, name in turns([*ready], self.rounds):
                figures = ready[name].round()
                measured[name].append(figures)
                first = kind.figures[0]
                self.tell(f"{kind.title}: round {turn + 1}, {name}: {number(figures[first.key])} {first.unit}")
            return measured
