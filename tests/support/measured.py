"""A plugin of coverage, for `make coverage`: what a gateway has run is kept, too.

twistd ends by the signal that has stopped it: it sends that to itself once more, and then the process is gone before
anything can be saved.
"""

from __future__ import annotations

import os

from coverage import Coverage

_kill = os.kill


def coverage_init(registry: object, options: object) -> None:
    """Save what was measured before this process ends itself; called by coverage when it begins to measure."""
    os.kill = _kill_and_keep


def _kill_and_keep(pid: int, number: int) -> None:
    if pid == os.getpid() and (measured := Coverage.current()) is not None:
        measured.save()
    _kill(pid, number)
