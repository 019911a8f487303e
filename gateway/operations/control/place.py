"""Where the control socket is: `control.socket` in the state folder, also when that has a long name.

The kernel takes about 100 bytes for the path of a Unix socket. A longer one is reached through a descriptor of its
folder (/proc/self/fd), which is how Linux offers it.
"""

from __future__ import annotations

import os
from pathlib import Path

NAME = "control.socket"
LONGEST = 100


def socket_path(state: Path) -> str:
    """A path that bind and connect take; for a long one, a descriptor of the folder stays open."""
    path = state / NAME
    if len(os.fsencode(path)) <= LONGEST:
        return str(path)
    return f"/proc/self/fd/{os.open(state, os.O_PATH | os.O_DIRECTORY)}/{NAME}"
