"""Listening: one endpoint of `[listen]`, opened when the service starts, before privileges are dropped.

An endpoint that cannot be opened is an error that names it as configured; the owner decides whether to continue without
it. A systemd endpoint (`systemd:domain=INET:name=server`) is a socket that is already open. Many may connect at once,
after a network failure or in a flood, so a longer queue than usual is requested, unless the endpoint sets one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from twisted.application.service import MultiService, Service
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.internet.tcp import Port
from twisted.python.failure import Failure

from gateway.timing.reactor import IReactor
from gateway.xmpp.errors import GatewayError

BACKLOG = 1024
ACCEPTED_IN_A_TURN = 8
"""The connections that one port accepts in one turn of the event loop, so that established streams have theirs."""


class NotOpened(GatewayError):
    """A port could not be opened; says which, and why."""


class Endpoints(MultiService):
    """The doors at their endpoints, as they are now: a reload opens some and shuts others."""

    def doors(self) -> list[Listening]:
        """Return the doors, open or not."""
        return [each for each in self if isinstance(each, Listening)]

    def missing(self) -> list[str]:
        """Say in words what is missing for the gateway to do its work; nothing when all is well."""
        if not self.running:
            return ["the service is not started, or is being stopped"]
        return [f"the door {door.name} is not open" for door in self.doors() if not door.is_open]


class Listening(Service):
    """An endpoint with the factory that serves it."""

    def __init__(self, door: str, endpoint: str, factory: IProtocolFactory, reactor: IReactor) -> None:
        """`door` is the key of `[listen]`, `endpoint` the Twisted server endpoint string."""
        self.setName(f"{door} {endpoint}")
        self.door = door
        self.endpoint = endpoint
        self.factory = factory
        self._reactor = reactor
        self._port: IListeningPort | None = None
        self._at: object = None
        self._opening: Deferred[None] | None = None

    @property
    def is_open(self) -> bool:
        """Return whether others can connect."""
        return self._port is not None

    @property
    def addresses(self) -> Iterator[tuple[str, int]]:
        """Yield the IP address and port at which others connect, if it is open and uses TCP."""
        if isinstance(self._at, IPv4Address | IPv6Address):
            yield self._at.host, self._at.port

    def privilegedStartService(self) -> None:
        if self._opening is None:  # a reload opens it before it joins the running service, which starts it again
            self._open()

    def startService(self) -> None:
        super().startService()
        if self._opening is None:
            self._open()

    def stopService(self) -> Deferred[None] | None:
        super().stopService()
        port, self._port, self._at, self._opening = self._port, None, None, None
        return port.stopListening() if port is not None else None

    def _open(self) -> None:
        problems: list[NotOpened] = []

        def refused(failure: Failure) -> None:
            problems.append(NotOpened(f"listen.{self.door}: {self.endpoint!r} cannot be opened: {_why(failure)}"))

        try:
            endpoint = serverFromString(self._reactor, with_backlog(self.endpoint))
        except (ValueError, KeyError, OSError) as error:
            raise NotOpened(f"listen.{self.door}: {self.endpoint!r} cannot be opened: {error}") from error
        self._opening = endpoint.listen(self.factory)
        self._opening.addCallbacks(self._opened, refused)
        if problems:
            raise problems[0]

    def _opened(self, port: IListeningPort) -> None:
        if isinstance(port, Port):
            accept_few(port)
        self._port = port
        self._at = port.getHost()


def accept_few(port: Port) -> None:
    """Have the port accept few connections at once: Twisted accepts more each time, as long as more are waiting."""
    accept = port.doRead

    def accept_a_few() -> None:
        port.numberAccepts = ACCEPTED_IN_A_TURN
        accept()

    port.doRead = accept_a_few  # type: ignore[method-assign]


def _why(failure: Failure) -> str:
    error = failure.value
    if isinstance(error, CannotListenError) and isinstance(error.socketError, OSError):
        return os.strerror(error.socketError.errno) if error.socketError.errno else str(error.socketError)
    return failure.getErrorMessage()


def with_backlog(endpoint: str) -> str:
    """Return the endpoint with room for many connections that have not been accepted yet."""
    if not endpoint.startswith(("tcp:", "tcp6:")) or ":backlog=" in endpoint:
        return endpoint
    return f"{endpoint}:backlog={BACKLOG}"
