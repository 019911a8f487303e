"""A server as a process: started, found ready, paused, killed and stopped by its own pid.

It is ready when every one of its ports takes a connection. Nothing waits without a deadline, and a server that ends
before it is ready is reported at once with the end of its log. Linux ends it too when the thread that started it is
gone, so that nothing stays behind when a test run is killed.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from glob import glob
from pathlib import Path
from typing import Any, ClassVar, Self

from tests.interop.peers.site import CLIENT, CLIENT_TLS, COMPONENT, SERVER, SERVER_TLS, Site
from tests.support import forks
from tests.support.forks import Fork

START_SECONDS = 90  # of a busy machine; a server that ends before it is ready is noticed at once
STOP_SECONDS = 30
POLL_SECONDS = 0.02
SHARE = 10  # we wait for at most a tenth longer than need be, and look the less often the longer it takes
LONGEST_SECONDS = 0.3  # between two looks
LOG_SECONDS = 30
LOG_TAIL = 4000


class NotInstalledError(Exception):
    """A program that this server needs is not on this machine."""


class PeerError(Exception):
    """A server did not start, or did not do in time what it was waited for; with the end of its log."""


class Server(ABC):
    """A program that runs until it is told not to, in its own folder."""

    name: ClassVar[str]

    def __init__(self, address: str, folder: Path) -> None:
        self.address = address
        self.folder = folder
        self._process: subprocess.Popen[bytes] | Fork | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """The command that runs the server in the foreground."""

    @abstractmethod
    def ports(self) -> tuple[int, ...]:
        """The ports that it opens."""

    @abstractmethod
    def write_configuration(self) -> None:
        """Write into the folder what the server reads when it starts."""

    def environment(self) -> Mapping[str, str]:
        """Return what the server needs in its environment beside ours."""
        return {}

    def ready(self) -> bool:
        """Return whether all ports take connections."""
        return all(accepts(self.address, port) for port in self.ports())

    # Its life.

    def start(self, timeout: float = START_SECONDS) -> Self:
        """Write the configuration, start the server and wait until it is ready."""
        if any(accepts(self.address, port) for port in self.ports()):
            raise PeerError(f"{self}: another process listens there already")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_configuration()
        with self.log_file.open("ab") as log:
            self._process = self._started(log.fileno())
        try:
            self.wait_until(self.ready, timeout, "ready")
        except BaseException:
            self.kill()
            raise
        return self

    def _started(self, log: int) -> subprocess.Popen[bytes] | Fork:
        command, environment = self.command(), self.environment()
        if forks.is_possible(command, environment):
            return Fork(command, folder=self.folder, environment=environment, output=log)
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            cwd=self.folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def stop(self, timeout: float = STOP_SECONDS) -> int:
        """Ask the server to end; returns its exit status. One that does not listen is killed, and that is a failure."""
        if self._process is None:
            return 0
        self.resume()
        self._process.terminate()
        return self.wait(timeout)

    def wait(self, timeout: float = STOP_SECONDS) -> int:
        """Wait for the end of a server that has been asked to end; returns as `stop` does."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise PeerError(f"{self} did not end within {timeout:g} s\n{self.log()[-LOG_TAIL:]}") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """End the server at once, as a crash would: it closes nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> Self:
        """Stop and start again, on the same folder."""
        self.stop()
        return self.start()

    def pause(self) -> None:
        """Freeze the process: its connections stay, and nobody answers on them."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        if self._process is None:
            raise PeerError(f"{self} is not running")
        self._process.send_signal(number)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    # What it shows.

    @property
    def pid(self) -> int:
        """The process that serves, not a wrapper around it."""
        if self._process is None:
            raise PeerError(f"{self} is not running")
        return self._process.pid

    @property
    def log_file(self) -> Path:
        """Return all that it printed, over all its starts."""
        return self.folder / "output.log"

    def log(self) -> str:
        """Return what the server has logged so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def logged(self, *words: str) -> list[str]:
        """Return the lines of the log that have all these words, as soon as there are any; none when they are late."""
        looks = _looks(LOG_SECONDS)
        while not (found := [line for line in self.log().splitlines() if all(word in line for word in words)]):
            if not next(looks, False):
                break
        return found

    def wait_until(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        """Ask until the condition holds; raises `PeerError` when time is up or the server has ended."""
        looks = _looks(timeout)
        while not condition():
            ended = self._process is not None and self._process.poll() is not None
            if ended or not next(looks, False):
                problem = "ended" if ended else f"was not {what} after {timeout:g} s"
                raise PeerError(f"{self} {problem}\n{self.log()[-LOG_TAIL:]}")

    def __str__(self) -> str:
        return f"{self.name} on {self.address}"

    def run(self, *command: Any, typed: str | None = None, timeout: float = START_SECONDS) -> str:
        """Run one of the server's own tools to its end, with this on its standard input; returns what it printed."""
        done = forks.run(
            command, folder=self.folder, environment=self.environment(), typed=typed or "", timeout=timeout
        )
        if done.returncode:
            raise PeerError(f"{self}: {command[0]} said {(done.stdout + done.stderr).strip()}")
        return done.stdout


class Peer(Server):
    """A real XMPP server, on its own loopback address."""

    program: ClassVar[str]
    needs: ClassVar[Mapping[str, str]]  # Debian package -> pattern of a file that it brings
    proven_by: ClassVar[Mapping[str, str]]  # means of proof -> what is logged when {domain} was let in by it

    def __init__(self, site: Site, folder: Path) -> None:
        super().__init__(site.address, folder)
        self.site = site

    @abstractmethod
    def register(self, jid: str, password: str) -> None:
        """Make an account."""

    @classmethod
    def check_installed(cls) -> None:
        """Raise `NotInstalledError` unless all that this server needs is there."""
        missing = [package for package, pattern in cls.needs.items() if not glob(pattern)]
        if missing:
            raise NotInstalledError(f"{cls.name} needs {', '.join(missing)}: see tests/interop/install.sh")

    def start(self, timeout: float = START_SECONDS) -> Self:
        self.check_installed()
        return super().start(timeout)

    def ports(self) -> tuple[int, ...]:
        direct = (SERVER_TLS, CLIENT_TLS) if self.site.direct_tls else ()
        return (SERVER, CLIENT, *direct, *((COMPONENT,) if self.site.components else ()))

    def proofs(self, domain: str) -> list[str]:
        """By which means this server has let a domain in, each time; from its log, which may be a bit late."""
        looks = _looks(LOG_SECONDS)
        while not (found := self._logged_proofs(domain)) and next(looks, False):
            pass
        return found

    def _logged_proofs(self, domain: str) -> list[str]:
        log = self.log()
        patterns = {means: text.replace("{domain}", re.escape(domain)) for means, text in self.proven_by.items()}
        found = [(line.start(), means) for means, text in patterns.items() for line in re.finditer(text, log)]
        return [means for _, means in sorted(found)]

    def at(self, port: int) -> tuple[str, int]:
        """Return where to connect to one of its ports."""
        return self.address, port


def _looks(seconds: float) -> Iterator[bool]:
    """Yield True when it is time to look again, until this many seconds have passed.

    Each look costs processor time, ours and often that of the process that is looked at.
    """
    began = time.monotonic()
    while (passed := time.monotonic() - began) <= seconds:
        time.sleep(min(LONGEST_SECONDS, max(POLL_SECONDS, passed / SHARE)))
        yield True


def accepts(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1).close()
    except OSError:
        return False
    return True
