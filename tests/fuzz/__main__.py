"""The long run: `python -m tests.fuzz --inputs 1000000 --seed 1`, for the codec, whole streams and pairs of them.

`--of oracle` is for one of them alone: here the codec beside expat.

Every input has its own seed, `SEED-NUMBER`, which is printed when it breaks a promise, so that it can be repeated
with `--only SEED-NUMBER`. One that takes much longer than all others breaks a promise, too, and memory that grows does.
"""

from __future__ import annotations

import argparse
import gc
import resource
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from random import Random

from tests.fuzz import fuzz_codec, fuzz_oracle, fuzz_pair, fuzz_stream

FUZZES: dict[str, Callable[[Random], None]] = {
    "codec": fuzz_codec.one_input,
    "stream": fuzz_stream.one_input,
    "pair": fuzz_pair.one_input,
    "oracle": fuzz_oracle.one_input,
}
REPORTS = 20
MOST_SECONDS = 2.0  # of the processor, for one input of some kilobytes
MOST_GROWTH = 64  # megabytes, after the first twentieth


def main() -> int:
    """Run, tell how it went, and count what broke."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description="Mutated transcripts, on the codec and on streams.")
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--of", choices=[*FUZZES, "all"], default="all")
    parser.add_argument("--only", help="the seed of one input to have again")
    chosen = parser.parse_args()
    fuzzes = tuple(FUZZES.values()) if chosen.of == "all" else (FUZZES[chosen.of],)
    if chosen.only:
        return int(not keeps_promises(chosen.only, fuzzes))
    began, broken, at_first = time.monotonic(), 0, 0.0
    for number in range(chosen.inputs):
        broken += not keeps_promises(f"{chosen.seed}-{number}", fuzzes)
        if (number + 1) % max(1, chosen.inputs // REPORTS) == 0:
            gc.collect()
            megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            seconds = time.monotonic() - began
            at_first = at_first or megabytes
            if megabytes > at_first + MOST_GROWTH:
                print(f"memory has grown from {at_first:.0f} MB", file=sys.stderr)
                broken += 1
            print(f"{number + 1:>9} inputs, {broken} broken, {seconds:.0f} s, {megabytes:.0f} MB at most", flush=True)
    return broken


def keeps_promises(seed: str, fuzzes: Sequence[Callable[[Random], None]]) -> bool:
    """Return whether one input does what it should; if not, what was wrong is printed."""
    number = int(seed.rpartition("-")[2])
    began = time.process_time()
    try:
        fuzzes[number % len(fuzzes)](Random(seed))
        assert time.process_time() - began < MOST_SECONDS, "it took very long"
    except Exception:
        print(f"--only {seed}", file=sys.stderr)
        traceback.print_exc(limit=-2)
        return False
    return True


if __name__ == "__main__":
    sys.exit(min(main(), 1))
