"""`python -m tests.simulation`: the simulation at several sizes, as the table of docs/cluster-scale.md."""

from __future__ import annotations

import argparse

from tests.simulation.cluster import lines, simulate

SIZES = ((10, 10_000, 8), (30, 10_000, 6), (100, 10_000, 4), (100, 100_000, 2))


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    arguments.add_argument("--seed", type=int, default=1)
    seed = arguments.parse_args().seed
    for number, (nodes, domains, faults) in enumerate(SIZES):
        table = list(lines(simulate(nodes=nodes, domains=domains, faults=faults, seed=seed)))
        print("\n".join(table[2:] if number else table), flush=True)


if __name__ == "__main__":
    main()
