"""The path of the control socket: `control.socket` in the state folder, even if that has a long name.

The kernel allows about 100 bytes for the path of a Unix socket. On Linux a longer one is reached through a descriptor
of its folder (/proc/self/fd).
"""

from __future__ import annotations

import os
from pathlib import Path

NAME = "control.socket"
LONGEST = 100


def socket_path(state: Path) -> str:
    """Return a path short enough for bind and connect; for a long one, a descriptor of the folder stays open."""
    path = state / NAME
    if len(os.fsencode(path)) <= LONGEST:
        return str(path)
    return f"/proc/self/fd/{os.open(state, os.O_PATH | os.O_DIRECTORY)}/{NAME}"
