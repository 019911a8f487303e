"""Supervision: report to systemd that the service is ready, alive, reloading or stopping, by sd_notify(3).

systemd names a socket in the environment (NOTIFY_SOCKET) and, for a watchdog, how often it expects a sign of life
(WATCHDOG_USEC). The sign comes from the event loop: if the loop hangs, systemd gets none and restarts the service.
Without such a supervisor this module does nothing.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

MICRO = 1_000_000


class Supervised(Service):
    """Report the state of the service to the supervisor."""

    def __init__(self, environment: Mapping[str, str], missing: Callable[[], list[str]], clock: IReactorTime) -> None:
        """`missing` returns what the service lacks to do its work."""
        self._socket = environment.get("NOTIFY_SOCKET", "")
        self._watchdog = _period(environment)
        self._missing = missing
        self._clock = clock
        self._sign_of_life = LoopingCall(self._alive)
        self._sign_of_life.clock = clock

    def startService(self) -> None:
        super().startService()
        if self._socket:
            self._clock.callLater(0, self._ready)  # after all other services have started
            if self._watchdog:
                self._sign_of_life.start(self._watchdog)

    def stopService(self) -> None:
        super().stopService()
        if self._sign_of_life.running:
            self._sign_of_life.stop()
        self._tell("STOPPING=1")

    def reloading(self) -> None:
        """Report that a reload has begun; `reloaded` follows."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def reloaded(self, status: str) -> None:
        """Report that the reload has ended, whether or not anything changed."""
        self._tell(f"READY=1\nSTATUS={status}")

    def _ready(self) -> None:
        if self.running:
            self._tell(f"READY=1\nSTATUS={'; '.join(self._missing()) or 'all ports are open'}")

    def _alive(self) -> None:
        self._tell("WATCHDOG=1")

    def _tell(self, message: str) -> None:
        if not self._socket:
            return
        address = "\0" + self._socket[1:] if self._socket.startswith("@") else self._socket
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
            supervisor.setblocking(False)
            supervisor.sendto(message.encode(), address)


def _period(environment: Mapping[str, str]) -> float:
    """Return the seconds between signs of life: half of the watchdog's time; 0 if it is not for us."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0
    try:
        return int(environment.get("WATCHDOG_USEC", "0")) / MICRO / 2
    except ValueError:
        return 0
