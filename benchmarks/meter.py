"""What a server costs, as the operating system counts it: of its process, and of all that this has started.

Processor time comes from the process's own clock (clock_getcpuclockid(3)), which counts the same as /proc/PID/stat, but
in nanoseconds instead of hundredths of a second, and all threads, also those that have ended.
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
        """Processor time, in user mode and in the kernel."""
        return sum(_cpu_seconds(pid) for pid in self._processes(self._pid))

    def memory_bytes(self) -> int:
        """Resident memory; of pages that processes share, each counts its share."""
        return sum(_memory_bytes(pid) for pid in self._processes(self._pid))

    def _processes(self, pid: int) -> Iterator[int]:
        yield pid
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in task.read_text().split():
                yield from self._processes(int(child))


def _cpu_seconds(pid: int) -> float:
    # CPUCLOCK_SCHED of a process, as <linux/posix-timers.h> puts it into a clock id.
    return time.clock_gettime(~pid << 3 | 2)


def _memory_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * KIB
    return 0
