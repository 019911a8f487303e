"""Runs a program of ours with few file descriptors: `python -m tests.interop.confined NUMBER PROGRAM ARGUMENTS`."""

from __future__ import annotations

import resource
import runpy
import sys


def main(descriptors: int, program: str) -> None:
    """Become the program, which finds its own arguments."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    _, number, *sys.argv = sys.argv
    main(int(number), sys.argv[0])
