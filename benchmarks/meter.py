"""The cost of a server, as the operating system counts it: for its process and all its child processes.

Processor time comes from the process's own clock (clock_getcpuclockid(3)), which counts the same as /proc/PID/stat, but
in nanoseconds instead of hundredths of a second, and includes threads that have ended.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

KIB = 1024


class Meter:
    """Reads what one server has used so far."""

    def __init__(self, pid: int) -> None:
        self._pid = pid

    def cpu_seconds(self) -> float:
        """Return the processor time, in user mode and in the kernel."""
        return sum(_cpu_seconds(pid) for pid in self._processes(self._pid))

    def memory_bytes(self) -> int:
        """Return resident memory; of pages that processes share, each counts its share."""
        return sum(_memory_bytes(pid) for pid in self._processes(self._pid))

    def _processes(self, pid: int) -> Iterator[int]:
        yield pid
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in task.read_text().split():
                yield from self._processes(int(child))


def _cpu_seconds(pid: int) -> float:
    # The kernel's clock id for CPUCLOCK_SCHED of a process, as in <linux/posix-timers.h>.
    return time.clock_gettime(~pid << 3 | 2)


def _memory_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * KIB
    return 0
