"""`python -m benchmarks.profile [WORKLOAD]`: where the gateway's time goes, as a flame graph and as a list.

py-spy samples the process from outside, many times a second, while the workload runs; the gateway itself is unchanged.
It runs twice, because it writes one form at a time: a picture (SVG, for a browser), in which the width of a box is the
share of time of a line and everything that it calls; and stacks, from which the list is made.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.arena import Arena, Scale
from benchmarks.figures import OURS
from benchmarks.run import progress
from benchmarks.workloads import WORKLOADS, Workload

RESULTS = Path(__file__).parent / "results"
SECONDS = 10
SAMPLES_PER_SECOND = 500
LISTED = 40


def main(arguments: list[str] | None = None) -> None:
    """Profile one workload."""
    keys = [kind.key for kind in WORKLOADS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description="Where the gateway's time goes.")
    parser.add_argument("workload", nargs="?", choices=keys, metavar="WORKLOAD", default=keys[0], help=", ".join(keys))
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"of work, at least (default: {SECONDS})")
    parser.add_argument("--native", action="store_true", help="see into C libraries too")
    options = parser.parse_args(arguments)
    spy = Spy(native=options.native)
    [kind] = (kind for kind in WORKLOADS if kind.key == options.workload)
    RESULTS.mkdir(exist_ok=True)
    picture, stacks, listing = (RESULTS / f"{kind.key}.{suffix}" for suffix in ("svg", "stacks", "txt"))
    with (
        tempfile.TemporaryDirectory(prefix="xmpp-gateway-profile-") as folder,
        Arena(Path(folder), [OURS], Scale()) as arena,
        kind(arena, arena.subjects[OURS]) as workload,
    ):
        workload.warm_up()
        for form, file in (("flamegraph", picture), ("raw", stacks)):
            progress(f"{kind.title}: {form}")
            spy.watch(arena.subjects[OURS].server.pid, lambda: _work(workload, options.seconds), form, file)
    listing.write_text(top(stacks.read_text().splitlines()))
    print(listing.read_text())
    print(f"the picture, for a browser: {picture}")


def _work(workload: Workload, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        workload.round()


class Spy:
    """py-spy, installed beside our Python or on the path."""

    def __init__(self, *, native: bool = False) -> None:
        beside = Path(sys.executable).parent / "py-spy"
        program = str(beside) if beside.exists() else shutil.which("py-spy")
        if program is None:
            sys.exit("py-spy is needed (pip install py-spy), and the right to inspect processes, as root has")
        self._command = [program, "record", "--rate", str(SAMPLES_PER_SECOND), *(["--native"] if native else [])]

    def watch(self, pid: int, work: Callable[[], None], form: str, file: Path) -> None:
        """Sample a process while the work is done."""
        command = [*self._command, "--pid", str(pid), "--format", form, "--output", str(file)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as spying:
            work()
            spying.send_signal(signal.SIGINT)


def top(stacks: Iterable[str]) -> str:
    """Return the functions by their own share of time and by that including calls, from stacks folded by py-spy."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    samples = 0
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        functions = [frame.rpartition(":")[0] or frame for frame in stack.split(";")]
        samples += int(count)
        own[functions[-1]] += int(count)
        total.update({function: int(count) for function in functions})
    lines = [f"{'itself':>7} {'in all':>7}  function"]
    lines += [
        f"{count / samples:7.1%} {total[function] / samples:7.1%}  {function.rstrip(')').replace(' (', '  ')}"
        for function, count in own.most_common(LISTED)
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
