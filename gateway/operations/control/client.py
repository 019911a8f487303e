"""The commands' side of the control socket."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from gateway.operations.control.place import socket_path
from gateway.xmpp.errors import GatewayError

PATIENCE = 30.0


class NotRunning(GatewayError):
    """Nobody answers on the control socket, so the service is not running."""


class NotDone(GatewayError):
    """The service cannot carry out the request, for the reason in the message."""


def ask(state: Path, command: str, *, patience: float = PATIENCE, **request: str) -> Any:
    """Have the service with that state folder carry out a command; raise NotRunning or NotDone.

    `patience` is how many seconds the service may be silent.
    """
    try:
        answer = _exchange(state, json.dumps({"command": command, **request}).encode("ascii") + b"\n", patience)
    except PermissionError as error:
        raise NotDone(f"permission denied: only root and the user that owns {state} may use its socket") from error
    except TimeoutError as error:
        raise NotDone(f"the service is running but did not answer within {patience:.0f} s") from error
    except OSError as error:
        raise NotRunning(f"the service is not running: nobody answers in its state folder {state}") from error
    try:
        told = json.loads(answer)
    except ValueError:  # it is empty, or a part of one
        raise NotDone("the service closed the connection without a whole answer: it may be stopping") from None
    if not told["ok"]:
        raise NotDone(told["problem"])
    return told["result"]


def is_running(state: Path) -> bool:
    """Return whether a service with that state folder runs; raise NotDone if that cannot be found out."""
    try:
        ask(state, "log")
    except NotRunning:
        return False
    except NotDone as problem:
        raise NotDone(f"it is unknown whether a service runs with the state folder {state}: {problem}") from problem
    return True


def _exchange(state: Path, request: bytes, patience: float) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(patience)
        connection.connect(socket_path(state))
        connection.sendall(request)
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)
