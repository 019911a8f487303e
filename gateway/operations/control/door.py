"""The service's side of the control socket: one request per connection, one line of JSON each way.

    -> {"command": "explain", "domain": "example.net"}
    <- {"ok": true, "result": {...}}      or {"ok": false, "problem": "in plain words"}

The socket belongs to the user that the service runs as, with mode 0600 in a folder with mode 0700: file permissions are
the access control. A faulty request is answered with the problem; our own fault is logged, and the answer does not
give its details.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IReactorTime, ITCPTransport
from twisted.internet.protocol import ServerFactory
from twisted.logger import Logger
from twisted.protocols.basic import LineOnlyReceiver
from twisted.python.failure import Failure

from gateway.net.listen.listening import NotOpened
from gateway.timing.reactor import IReactor
from gateway.timing.timers import Timer
from gateway.timing.turns import Turns
from gateway.xmpp.errors import GatewayError

MOST_REQUEST_BYTES = 131_072  # room for an announcement of 10,000 characters of any script
PATIENCE = 10.0

Command = Callable[..., Any]
"""A function that takes the other members of the request as keyword arguments and returns JSON, or a Deferred of it."""


class CommandRefused(GatewayError):
    """The request cannot be carried out, for the reason in the message."""


class ControlProtocol(LineOnlyReceiver):
    """The connection of one request."""

    transport: ITCPTransport
    delimiter = b"\n"
    MAX_LENGTH = MOST_REQUEST_BYTES
    _log = Logger("gateway.operations.control")

    def __init__(self, actions: Mapping[str, Command], clock: IReactorTime) -> None:
        self._actions = actions
        self._clock = clock
        self._turns = Turns(clock)
        self._patience = Timer(clock)
        self._asked = False

    def connectionMade(self) -> None:
        self._patience.start(PATIENCE, self.transport.abortConnection)

    def connectionLost(self, reason: Failure | None = None) -> None:
        self._patience.stop()

    def lineReceived(self, line: bytes) -> None:
        if self._asked:
            return
        self._asked = True
        self._patience.stop()
        result = maybeDeferred(self._carry_out, line)
        result.addCallbacks(lambda result: {"ok": True, "result": result}, self._failed)
        result.addCallback(self._answer)

    def _carry_out(self, line: bytes) -> Any:
        try:
            request = json.loads(line)
            command = request.pop("command")
            action = self._actions[command]
        except (ValueError, AttributeError, TypeError, KeyError):
            raise CommandRefused("the service does not know that command: it may be an older version") from None
        if not all(isinstance(value, str) for value in request.values()):
            raise CommandRefused("every member of a request must be a string")
        try:
            return action(**request)
        except TypeError as error:
            self._log.failure("control: {command}", command=command)
            raise CommandRefused(f"{command} does not take these arguments") from error

    def _failed(self, failure: Failure) -> dict[str, Any]:
        if failure.check(GatewayError):
            return {"ok": False, "problem": failure.getErrorMessage()}
        self._log.failure("control: a request failed", failure)
        return {"ok": False, "problem": "the service failed to carry it out; its log has the traceback"}

    def _answer(self, answer: Mapping[str, Any]) -> Deferred[None]:
        """Write one line of JSON, which may be very long."""
        return self._turns.gather(map(self._write, _pieces(answer))).addCallback(lambda _: self._answered())

    def _write(self, piece: str) -> None:
        self.transport.write(piece.encode("ascii"))

    def _answered(self) -> None:
        self.sendLine(b"")
        self.transport.loseConnection()


def _pieces(value: Any) -> Iterator[str]:
    """Yield a value as JSON, in short pieces: mappings of lists of records are taken apart."""
    if isinstance(value, dict) and any(isinstance(each, dict | list) for each in value.values()):
        separator = "{"
        for key, each in value.items():
            yield f"{separator}{json.dumps(key)}: "
            yield from _pieces(each)
            separator = ", "
        yield "}"
    elif isinstance(value, list) and value:
        separator = "["
        for each in value:
            yield separator + json.dumps(each)
            separator = ", "
        yield "]"
    else:
        yield json.dumps(value)


class ControlDoor(Service, ServerFactory):
    """The listening socket, open as long as the service runs."""

    noisy = False

    def __init__(self, path: Callable[[], str], actions: Mapping[str, Command], reactor: IReactor) -> None:
        """`path` is called when the service starts and makes the socket."""
        self._path = path
        self._actions = actions
        self._reactor = reactor
        self._port: IListeningPort | None = None

    def buildProtocol(self, addr: object) -> ControlProtocol:
        return ControlProtocol(self._actions, self._reactor)

    def privilegedStartService(self) -> None:
        remove_if_dead(self._path())

    def startService(self) -> None:
        """Listen; only after privileges have been dropped, so that the socket belongs to the service's user."""
        super().startService()
        path = self._path()
        remove_if_dead(path)
        try:
            self._port = self._reactor.listenUNIX(path, self, mode=0o600)
        except CannotListenError as error:
            raise NotOpened(f"the control socket {path} cannot be made: {error.socketError}") from error

    def stopService(self) -> Deferred[None] | None:
        super().stopService()
        port, self._port = self._port, None
        return port.stopListening() if port is not None else None


def remove_if_dead(path: str) -> None:
    """Remove a socket that a crash has left; raise NotOpened if a running service answers on it.

    Asking the socket itself is more reliable than a file with a process id, which in a container is always the same.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            _remove(path)
            return
        except OSError as error:
            raise NotOpened(
                f"the control socket {path} cannot be used: {error.strerror}; if no gateway runs, remove it"
            ) from error
    raise NotOpened(f"another service is running with this state folder: it answers on {path}")


def _remove(path: str) -> None:
    try:
        Path(path).unlink()
    except OSError as error:
        problem = f"a crash left the control socket {path} behind, and it cannot be removed: {error.strerror}"
        raise NotOpened(f"{problem}; the user that the gateway runs as must own its state folder") from error
