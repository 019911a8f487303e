"""Start the program under test as a fork of a process that has imported it already.

    server = Fork([TWISTD, "xmpp-gateway", "--config", file], folder=folder, environment={}, output=log.fileno())
    server.wait(30)

To import Twisted, OpenSSL and the gateway takes longer than most tests of a running gateway do. So each worker has one
process that imports them once (the fork server of `multiprocessing`), and each gateway and each command begins as its
copy. From there on it is what a shell would have started: the same script runs as `__main__`, with its own arguments,
folder, environment and descriptors, and it ends as an interpreter ends. Two things differ: all have one seed for
Python's hashes, and ps shows the fork server's command line.

`is_possible` says what can be started so: our two scripts and our modules (`python -m gateway.demo`), unless the
environment changes the interpreter itself. Under `make coverage`, and outside pytest, nothing is.
"""

from __future__ import annotations

import atexit
import ctypes
import io
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import IO, Any, NoReturn

PROGRAMS = Path(sys.executable).parent
SCRIPTS = {str(PROGRAMS / name) for name in ("twistd", "xmpp-gateway")}
MODULE = [sys.executable, "-m"]
PACKAGES = ("gateway.", "tests.")
UNBUFFERED = "PYTHONUNBUFFERED"
AT_THE_START = ("PYTHON", "LD_", "MALLOC_", "OPENSSL_")  # settings that are read when an interpreter starts
KILL_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def _special(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: each for name, each in environment.items() if name.startswith(AT_THE_START) and name != UNBUFFERED}


_context = multiprocessing.get_context("forkserver")
_is_wanted = False
_of_the_fork_server = _special(os.environ)


def use_forks() -> None:
    """Start what can be a fork as one, from now on."""
    global _is_wanted
    _is_wanted = not is_measured()  # coverage has to see each process begin
    _context.set_forkserver_preload(["tests.support.forks", "tests.support.forks_have"])


def is_measured() -> bool:
    """Return whether this is `make coverage`, which saves what a process has run when that ends by itself."""
    return any(name.startswith("COVERAGE_") for name in os.environ)


def is_possible(command: Sequence[object], environment: Mapping[str, str]) -> bool:
    """Return whether a process with this command, and this environment beside ours, can be a fork."""
    is_usual = _special({**os.environ, **environment}) == _of_the_fork_server
    words = [str(word) for word in command[:3]]
    return _is_wanted and is_usual and (words[0] in SCRIPTS or _is_module(words))


def _is_module(words: Sequence[str]) -> bool:
    """Return whether this is the beginning of a command that runs one of our modules."""
    return words[:2] == MODULE and words[2].startswith(PACKAGES)


class Fork:
    """A process, as `subprocess.Popen` shows it."""

    def __init__(
        self,
        command: Sequence[object],
        *,
        folder: Path,
        environment: Mapping[str, str],
        output: int,
        errors: int | None = None,
        typed: int | None = None,
        user: int | None = None,
    ) -> None:
        """Start it, as another user and that user's group where one is given."""
        self.args = [str(word) for word in command]
        self.returncode: int | None = None
        self._looking = threading.Lock()
        with open(os.devnull, "rb") as nothing:
            standard = (nothing.fileno() if typed is None else typed, output, output if errors is None else errors)
            target = _Program(self.args, str(folder), {**os.environ, **environment}, standard, user)
            self._process = _context.Process(target=target, daemon=True)
            self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Return its exit status, or None while it runs."""
        with self._looking:
            self.returncode = self._process.exitcode
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit status when it has ended; raise `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            wait([self._process.sentinel], timeout)
        if (status := self.poll()) is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


def start(command: Sequence[object], *, folder: Path) -> tuple[Fork | subprocess.Popen[bytes], IO[str]]:
    """Start one of our programs, as a fork where that is possible; return it, and what it writes to standard output.

    What it writes is to be closed by the caller. It ends when the program does.
    """
    reading, writing = os.pipe()
    try:
        if is_possible(command, {}):
            process: Fork | subprocess.Popen[bytes] = Fork(
                command, folder=folder, environment={}, output=writing, errors=2
            )
        else:
            process = subprocess.Popen([str(word) for word in command], cwd=folder, stdout=writing)
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return process, os.fdopen(reading)


def run(
    command: Sequence[object],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    typed: str = "",
    timeout: float | None = None,
    user: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run one of our commands to its end, as a fork where that is possible; `typed` is its standard input.

    With a user it runs as that user, and in the group of the same number.
    """
    beside = environment or {}
    words = [str(word) for word in command]
    if not is_possible(words, beside):
        return subprocess.run(
            words,
            cwd=folder,
            env={**os.environ, **beside},
            input=typed,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            user=user,
            group=user,
        )
    with (
        tempfile.TemporaryFile("w+") as entered,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
    ):
        entered.write(typed)
        entered.seek(0)
        process = Fork(
            words,
            folder=folder or Path.cwd(),
            environment=beside,
            typed=entered.fileno(),
            output=output.fileno(),
            errors=errors.fileno(),
            user=user,
        )
        try:
            status = process.wait(timeout)
        finally:
            process.kill()
        said = []
        for file in (output, errors):
            file.seek(0)
            said.append(file.read().decode())
        return subprocess.CompletedProcess(words, status, *said)


class _Program:
    """What the fork becomes; passed to it by pickle, with descriptors."""

    def __init__(
        self, words: Sequence[str], folder: str, environment: Mapping[str, str], standard: Any, user: int | None
    ) -> None:
        self._user = user
        self._words = words
        self._folder = folder
        self._environment = environment
        self._standard = standard

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_standard": [DupFd(descriptor) for descriptor in self._standard]}

    def __call__(self) -> NoReturn:
        """Become the program, and end with it."""
        self._arrange()
        status = 1
        try:
            status = self._run()
        except BaseException:
            traceback.print_exc()
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError):
                    stream.flush()
            os._exit(status)

    def _arrange(self) -> None:
        for place, descriptor in enumerate(self._standard):
            os.dup2(descriptor.detach(), place)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        if self._user is not None:
            os.setgid(self._user)
            os.setuid(self._user)
        ctypes.CDLL(None).prctl(KILL_WITH_PARENT, signal.SIGKILL)
        os.chdir(self._folder)
        os.environ.clear()
        os.environ.update(self._environment)
        is_unbuffered = bool(self._environment.get(UNBUFFERED))
        sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)))
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), write_through=is_unbuffered)
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(io.FileIO(2, "w", closefd=False)), errors="backslashreplace", write_through=True
        )
        sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc]
        is_module = _is_module(self._words)
        sys.argv = self._words[2:] if is_module else [*self._words]
        sys.path[:] = [self._folder if is_module else str(PROGRAMS), *(place for place in sys.path if place)]

    def _run(self) -> int:
        try:
            if _is_module(self._words):
                _run_module(self._words[2])
            else:
                runpy.run_path(self._words[0], run_name="__main__")
        except SystemExit as end:
            return _status(end)
        finally:
            for thread in threading.enumerate():
                if thread is not threading.main_thread() and not thread.daemon:
                    thread.join()
            atexit._run_exitfuncs()
        return 0


def _run_module(name: str) -> None:
    """Run a module, or a package's `__main__`, as `python -m` does."""
    for each in (name, f"{name}.__main__"):
        if not hasattr(sys.modules.get(each), "__path__"):
            sys.modules.pop(each, None)  # what has been imported is not run again without a warning
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def _status(end: SystemExit) -> int:
    """Return the exit status of a program that ends so; print its reason, if it is one for people."""
    if end.code is None or isinstance(end.code, int):
        return (end.code or 0) & 0xFF
    print(end.code, file=sys.stderr)
    return 1
