"""Runs one of our programs with few file descriptors, or with faults that strace injects into its system calls.

    python -m tests.support.hampered --descriptors 80 PROGRAM ARGUMENTS
    python -m tests.support.hampered --inject fdatasync:error=EIO:when=2 PROGRAM ARGUMENTS

This can be a fork (see forks.py), as `prlimit` or `strace` in front of the program cannot: strace attaches when all is
imported already.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import runpy
import subprocess
import sys
import time
from pathlib import Path

SET_TRACER = 0x59616D61  # PR_SET_PTRACER of prctl(2): who may trace us beside our ancestors
ANYBODY = -1
PATIENCE_SECONDS = 30


def main() -> None:
    """Hamper this process, and become the program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--descriptors", type=int)
    parser.add_argument("--inject")
    parser.add_argument("program", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.descriptors is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (options.descriptors, options.descriptors))
    if options.inject is not None:
        be_traced(options.inject)
    sys.argv = options.program
    runpy.run_path(sys.argv[0], run_name="__main__")


def be_traced(inject: str) -> None:
    """Have strace follow this process and all its threads from now on, and end with it."""
    ctypes.CDLL(None).prctl(SET_TRACER, ANYBODY, 0, 0, 0)
    calls = ["-e", f"trace={inject.partition(':')[0]}", "-e", f"inject={inject}"]
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", *calls, "-p", str(os.getpid())])
    deadline = time.monotonic() + PATIENCE_SECONDS
    while "\nTracerPid:\t0\n" in Path("/proc/self/status").read_text():
        if tracer.poll() is not None or time.monotonic() > deadline:
            sys.exit("strace did not attach")
        time.sleep(0.005)


if __name__ == "__main__":
    main()
