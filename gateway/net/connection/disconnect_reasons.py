"""Disconnect reasons: why a connection was lost, in words."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.python.failure import Failure


def why_lost(failure: Failure, *, in_handshake: bool = False) -> str:
    """Return Twisted's reason in words; after a failed handshake it begins with `TLS failed`."""
    if in_handshake and failure.check(ConnectionDone, ConnectionLost):
        return "TLS failed: the other side closed the connection in the middle of the handshake"
    if failure.check(ConnectionDone):
        return "the other side closed the connection"
    if failure.check(ConnectionLost):
        return "the connection broke"
    if isinstance(failure.value, SSL.Error):
        return f"TLS failed: {_told(failure.value) or 'the connection was closed in the middle of it'}"
    return f"the connection was lost: {failure.getErrorMessage()}"


def _told(error: BaseException) -> str:
    """Return OpenSSL's message: a list of errors, each with its library and its reason."""
    details = error.args[0] if error.args else ()
    return "; ".join(str(entry[-1]) for entry in details) if isinstance(details, list) else str(error)
