"""`python -m benchmarks.instructions`: how many instructions a handshake takes, exactly, on any machine.

Processor time differs by a tenth from one minute to the next on a machine that does other things, too. Valgrind counts
what the gateway executes, OpenSSL included and the kernel not, and that differs by a few thousandths. It makes the
gateway some fifty times slower, so there are few handshakes, and nothing is said about time. A gateway executes a
little even when nothing happens. What it executes in an equal time without a handshake is counted afterwards,
subtracted, and named apart.

    python -m benchmarks.instructions --before ../earlier --without peers.*.keep

`--before` and `--without` are those of `python -m benchmarks`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

from benchmarks.arena import KINDS, Arena, Scale, Subject
from benchmarks.earlier import earlier
from benchmarks.figures import BEFORE, OURS
from benchmarks.workloads import WORKLOADS, Workload
from tests.interop.peers import Gateway

HANDSHAKES = 5  # at once, each within the time that a stream has to be negotiated
ROUNDS = 4  # so that little of what is counted is what the gateway does at rest, which varies
SETTLE_SECONDS = 3  # for everything that follows the end of a stream
START_SECONDS = 600
MILLION = 1e6


def main(arguments: list[str] | None = None) -> None:
    """Count, and print a line for each workload and gateway."""
    handshakes = [kind for kind in WORKLOADS if kind.key.startswith("handshake-")]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description="Instructions a handshake.")
    parser.add_argument("--only", nargs="+", choices=[kind.key for kind in handshakes], metavar="WORKLOAD")
    parser.add_argument("--before", type=Path, metavar="TREE", help="count in another checkout of the gateway as well")
    parser.add_argument("--without", nargs="+", default=(), metavar="KEY", help="keys that it does not know")
    options = parser.parse_args(arguments)
    gateways: dict[str, type[Gateway]] = {OURS: Gateway}
    if options.before:
        gateways[BEFORE] = earlier(options.before, options.without)
    chosen = [kind for kind in handshakes if not options.only or kind.key in options.only]
    for name, gateway in gateways.items():
        for key, count in counted(name, gateway, chosen).items():
            figures = f"{count.handshake / MILLION:7.3f} million instructions a handshake"
            print(f"{key:24} {name:8} {figures}, {count.idle / MILLION:6.3f} million a second at rest", flush=True)


class Count(NamedTuple):
    """The instructions of one handshake, and those of one second without any."""

    handshake: float
    idle: float


def counted(name: str, gateway: type[Gateway], workloads: list[type[Workload]]) -> Mapping[str, Count]:
    """Return the instructions of each workload."""
    with tempfile.TemporaryDirectory(prefix="xmpp-gateway-count-") as folder:
        output = Path(folder) / "counts"
        kinds = {**KINDS, name: under_callgrind(gateway, output)}
        scale = Scale(handshakes=HANDSHAKES, streams=HANDSHAKES)
        with Arena(Path(folder), [name], scale, kinds) as arena:
            return {
                kind.key: _count(kind(arena, arena.subjects[name]), arena.subjects[name], output) for kind in workloads
            }


def under_callgrind(gateway: type[Gateway], output: Path) -> type[Gateway]:
    """Return that gateway, run by Valgrind, which counts nothing until it is told to."""

    class Counted(gateway):  # type: ignore[valid-type,misc]
        def command(self) -> list[str]:
            twistd, *rest = super().command()
            tool = ["--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={output}"]
            return ["valgrind", *tool, "--", str(Path(twistd).with_name("python3")), twistd, *rest]

        def start(self, timeout: float = START_SECONDS) -> Self:
            return super().start(timeout)

        def environment(self) -> Mapping[str, str]:
            return {**super().environment(), "PYTHONHASHSEED": "0"}

    return Counted


def _count(workload: Workload, subject: Subject, output: Path) -> Count:
    """Count from the first handshake until the last stream has ended and is forgotten, and then as long at rest."""

    def instructions(work: Callable[[], object]) -> int:
        for old in output.parent.glob(f"{output.name}*"):
            old.unlink()
        _control(subject, "--instr=on")
        work()
        _control(subject, "--instr=off")
        _control(subject, "--dump")
        return max(map(_total, output.parent.glob(f"{output.name}*")))

    def rounds_and_rest() -> None:
        for _ in range(ROUNDS):
            workload.round()
        time.sleep(SETTLE_SECONDS)

    with workload:
        workload.warm_up()
        time.sleep(SETTLE_SECONDS)
        begun = time.monotonic()
        busy = instructions(rounds_and_rest)
        seconds = time.monotonic() - begun
        idle = instructions(lambda: time.sleep(seconds))
    return Count((busy - idle) / (ROUNDS * HANDSHAKES), idle / seconds)


def _control(subject: Subject, order: str) -> None:
    done = subprocess.run(["callgrind_control", order, str(subject.server.pid)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"callgrind_control {order}: {done.stderr}")


def _total(dump: Path) -> int:
    lines = dump.read_text(errors="replace").splitlines()
    return max((int(line.split()[1]) for line in lines if line.startswith(("summary:", "totals:"))), default=0)


if __name__ == "__main__":
    main()
