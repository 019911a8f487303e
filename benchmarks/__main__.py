"""`python -m benchmarks`: the gateway beside its peers; a table on standard output, JSON in benchmarks/results."""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.arena import KINDS, QUICK, Arena, Scale, installed
from benchmarks.earlier import earlier
from benchmarks.figures import BEFORE
from benchmarks.run import Run
from benchmarks.table import document, render
from benchmarks.workloads import WORKLOADS

RESULTS = Path(__file__).parent / "results"
ROUNDS = 5


def main(arguments: list[str] | None = None) -> None:
    """Run what is asked for."""
    options = _parser().parse_args(arguments)
    chosen = [kind for kind in WORKLOADS if not options.only or kind.key in options.only]
    run = Run(workloads=chosen, rounds=options.rounds or (1 if options.quick else ROUNDS))
    names, kinds = installed(options.peers), dict(KINDS)
    if options.before:
        names.append(BEFORE)
        kinds[BEFORE] = earlier(options.before, options.without)
    with (
        tempfile.TemporaryDirectory(prefix="xmpp-gateway-bench-") as folder,
        Arena(Path(folder), names, QUICK if options.quick else Scale(), kinds) as arena,
    ):
        rows = list(run.rows(arena))
    print(render(rows, names))
    output = options.output or RESULTS / f"{datetime.now(UTC):%Y-%m-%d-%H%M%S}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(document(rows, rounds=run.rounds))
    print(f"\nall rounds: {output}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    keys = [kind.key for kind in WORKLOADS]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="The gateway, Prosody and ejabberd do the same work in turns; the table shows what it costs them.",
        epilog="workloads: " + ", ".join(keys),
    )
    parser.add_argument("--only", nargs="+", choices=keys, metavar="WORKLOAD", help="only these workloads")
    parser.add_argument("--peers", nargs="+", choices=KINDS, default=[*KINDS], metavar="SERVER", help="only these")
    parser.add_argument("--rounds", type=int, help=f"how often each is measured (default: {ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="a little work, to see that everything runs")
    parser.add_argument("--before", type=Path, metavar="TREE", help="measure another checkout of the gateway as well")
    parser.add_argument("--without", nargs="+", default=(), metavar="KEY", help="keys that it does not know")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the JSON goes")
    return parser


if __name__ == "__main__":
    main()
