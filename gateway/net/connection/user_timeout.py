"""User timeout: connections whose other end disappeared without a sign (RFC 5482; RFC 6120 §4.6.1).

When the network between two machines is cut, nothing comes back, and a system goes on sending the same bytes for a
quarter of an hour. This limits how long it tries, so that bytes that never arrived were written recently.
"""

from __future__ import annotations

import socket

from gateway.net.tls.transport import ITCPStream

_USER_TIMEOUT: int | None = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux has it, and others take their own time


def give_up_after(transport: ITCPStream, seconds: float) -> None:
    """Make the system end this connection when written bytes have not been acknowledged for this long."""
    handle = transport.getHandle() if hasattr(transport, "getHandle") else None
    if _USER_TIMEOUT is not None and isinstance(handle, socket.socket) and handle.family != socket.AF_UNIX:
        handle.setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, round(seconds * 1000))
