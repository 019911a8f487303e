"""The second gateway: a child process that reports when it is ready, and ends when its standard input is closed."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol, Protocol
from twisted.internet.stdio import StandardIO
from twisted.logger import globalLogBeginner
from twisted.python.failure import Failure

from gateway.config import load
from gateway.operations.log import log_observer, notice_log
from gateway.service import build
from gateway.timing.reactor import IReactor
from gateway.xmpp.errors import GatewayError

READY = b"ready\n"


class Outside(ProcessProtocol):
    """The child process, as the demo controls it."""

    def __init__(self, configuration: Path, state: Path) -> None:
        self.ready: Deferred[None] = Deferred()
        self.ended: Deferred[None] = Deferred()
        self._configuration = configuration
        self._log = state / "outside.log"

    def start(self, reactor: IReactor) -> Deferred[None]:
        """Start it; return a Deferred that fires when its ports are open."""
        command = [sys.executable, "-m", "gateway.demo", "outside", str(self._configuration)]
        with self._log.open("ab") as log:
            reactor.spawnProcess(self, command[0], command, os.environ, childFDs={0: "w", 1: "r", 2: log.fileno()})
        return self.ready

    def stop(self) -> Deferred[None]:
        """Stop it; return a Deferred that fires when it has ended."""
        if self.transport is not None:
            self.transport.closeStdin()
        else:
            self.ended.callback(None)
        return self.ended

    def outReceived(self, data: bytes) -> None:
        if data == READY and not self.ready.called:
            self.ready.callback(None)

    def processEnded(self, reason: Failure) -> None:
        if not self.ready.called:
            self.ready.errback(GatewayError(f"the second gateway did not start: see {self._log.resolve()}"))
        self.ended.callback(None)


def serve(reactor: IReactor, configuration: Path) -> Deferred[None]:
    """Run the second gateway."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the demo, which then stops this process
    settings = load(configuration)
    globalLogBeginner.beginLoggingTo(
        [log_observer(sys.stderr, form=settings.log.format, level=settings.log.level)], redirectStandardIO=False
    )
    gateway = build(settings, reactor)
    gateway.shared.board.subscribe(notice_log(settings.log.level))
    reactor.addSystemEventTrigger("before", "shutdown", gateway.stopService)
    gateway.privilegedStartService()
    gateway.startService()
    parent = Parent()
    StandardIO(parent, reactor=reactor).write(READY)
    return parent.gone


class Parent(Protocol):
    """The process that started this one."""

    def __init__(self) -> None:
        self.gone: Deferred[None] = Deferred()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.gone.callback(None)
