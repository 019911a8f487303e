"""Silence: connections whose other end is no longer there, and nobody says so (RFC 5482).

When the network between two machines is cut, nothing comes back, and a system goes on sending the same bytes for a
quarter of an hour. It is told how long to try, so that what was written and never arrived was written lately.
"""

from __future__ import annotations

import socket
from typing import Any

_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux has it, and others take their own time


def give_up_after(transport: Any, seconds: float) -> None:
    """Have the system end this connection when what was written has not been taken for so long."""
    handle = transport.getHandle() if hasattr(transport, "getHandle") else None
    if _USER_TIMEOUT is not None and isinstance(handle, socket.socket) and handle.family != socket.AF_UNIX:
        handle.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, round(seconds * 1000))
