"""Tests run by several processes that share one collection: `pytest --workers 6`; a pytest plugin.

The tests are found once. The workers are forks of the process that has found them, and share its memory. Workers that
start as new interpreters (as those of pytest-xdist do) import and collect everything for themselves, which took six of
them as long as a tenth of all tests.

The main process hands out scopes (tests/parallel.py), one at a time to each worker, and reports the results that it
receives. A worker sends one report of a test that has passed. It keeps its session's fixtures, such as servers, until
it ends. If a worker dies, the test that it was running has failed, and a new worker goes on with the rest of its scope.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import multiprocessing
import os
import sys
import warnings
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from signal import SIGKILL
from typing import Any

import pytest
from _pytest import runner

from tests.parallel import scopes

_forking = multiprocessing.get_context("fork")

WarningData = tuple[str, str, type[Warning], str, int]  # id of the test, text, category, file, line


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--workers", type=int, default=0, metavar="N", help="run the tests in N processes; 0: in this one")


# The collection.


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Have no garbage looked for while the tests are found: what is made then is to stay."""
    gc.disable()
    helper = compile_from_the_end(session.config) if session.config.getoption("workers") else None
    try:
        return (yield)
    finally:
        gc.enable()
        if helper:
            os.kill(helper, SIGKILL)
            os.waitpid(helper, 0)


def compile_from_the_end(config: pytest.Config) -> int:
    """Start a process that imports the files of tests, last one first; return its id.

    In a new clone no file has been compiled, which is more work than all the rest of the collection. This way another
    processor does half of it.
    """
    if helper := os.fork():
        return helper
    try:
        folders = [config.rootpath / name for name in config.args]
        with open(os.devnull, "w") as nowhere:
            sys.stdout = sys.stderr = nowhere
            for file in sorted((file for folder in folders for file in folder.rglob("test_*.py")), reverse=True):
                with suppress(BaseException):  # it comes again, and is reported, when it is collected
                    importlib.import_module(".".join(file.relative_to(config.rootpath).with_suffix("").parts))
    finally:
        os.kill(os.getpid(), SIGKILL)  # what the main process has registered for its end is not for this one
    raise AssertionError("a killed process goes on")


def pytest_collection_finish() -> None:
    leave_out_what_is_there()


def leave_out_what_is_there() -> None:
    """Leave all tests, and what the files that have been run keep, out of what the garbage collector looks at.

    Many tests have it look, again and again; each look would take longer the more has been kept. Nor does it touch
    pages then that the workers share.
    """
    gc.collect()
    gc.freeze()


# The main process.


def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Run all tests by workers, if there are to be any."""
    workers: int = session.config.getoption("workers")
    if not workers or session.testsfailed or session.config.option.collectonly:
        return None  # pytest's own loop knows what to do
    Run(session).with_workers(workers)
    if session.shouldfail:
        raise session.Failed(session.shouldfail)
    if session.shouldstop:
        raise session.Interrupted(session.shouldstop)
    return True


class Run:
    """The tests that are still to be handed out, and the workers."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session
        self._ahead = deque(scopes([item.nodeid for item in session.items]))
        self._workers: dict[Connection, Worker] = {}
        self._started = 0
        session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # the workers' are below it

    def with_workers(self, count: int) -> None:
        """Hand out everything, and report until all workers have ended."""
        try:
            for _ in range(min(count, len(self._ahead))):
                self._start(self._ahead.popleft())
            while self._workers:
                for connection in wait(list(self._workers)):
                    self._receive(self._workers[connection])  # type: ignore[index]
        finally:
            for connection in self._workers:
                connection.close()  # which ends the worker

    def _start(self, scope: Sequence[int]) -> None:
        worker = Worker(self._session, self._started, scope, self._workers)
        self._started += 1
        self._workers[worker.connection] = worker

    def _receive(self, worker: Worker) -> None:
        """Report what a worker has sent; give it the next scope if it has finished one."""
        try:
            data = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            self._replace(worker)
            return
        if isinstance(data, tuple):
            self._warn(data)
            return
        worker.last = worker.ahead.popleft()
        config = self._session.config
        for each in data:
            self._report(config.hook.pytest_report_from_serializable(config=config, data=each))
        if not self._has_ended_early() and not worker.ahead:
            worker.hand_out(self._ahead.popleft() if self._ahead else [])

    def _replace(self, worker: Worker) -> None:
        """Start another worker for what is left, if this one has died at a test."""
        del self._workers[worker.connection]
        status = worker.status()
        if worker.is_to_end:
            if status:
                why = f"the worker that ran it last ended with status {status}"
                self._report(lost(self._session.items[worker.last].nodeid, why))
            return
        item, *rest = worker.ahead
        self._report(lost(self._session.items[item].nodeid, f"its worker died, with status {status}"))
        if not self._has_ended_early() and (scope := rest or (self._ahead and self._ahead.popleft())):
            self._start(scope)

    def _has_ended_early(self) -> bool:
        """Return whether enough tests have failed; then each worker is to end after its test."""
        if not (self._session.shouldfail or self._session.shouldstop):
            return False
        for worker in self._workers.values():
            worker.hand_out([])
        return True

    def _report(self, report: pytest.TestReport) -> None:
        self._session.config.hook.pytest_runtest_logreport(report=report)

    def _warn(self, data: WarningData) -> None:
        nodeid, text, category, file, line = data
        message = warnings.WarningMessage(text, category, file, line)
        recorded = {"warning_message": message, "when": "runtest", "nodeid": nodeid, "location": None}
        self._session.config.hook.pytest_warning_recorded.call_historic(kwargs=recorded)


def lost(nodeid: str, why: str) -> pytest.TestReport:
    """Return the report of a test whose worker could not send one."""
    return pytest.TestReport(nodeid, (nodeid, None, nodeid), {}, "failed", why, "call")


class Worker:
    """A process that runs tests, as the main process sees it."""

    def __init__(
        self, session: pytest.Session, number: int, scope: Sequence[int], others: Iterable[Connection]
    ) -> None:
        self.ahead: deque[int] = deque()
        self.last = scope[0]
        self.connection, theirs = _forking.Pipe()
        not_theirs = [self.connection, *others]
        self._process = _forking.Process(target=work, args=(session, f"worker{number}", theirs, not_theirs))
        self._process.start()
        theirs.close()
        self.hand_out(scope)

    def hand_out(self, scope: Sequence[int]) -> None:
        """Give it these tests, by their indexes; none are its end."""
        self.ahead.extend(scope)
        self.is_to_end = not scope
        with suppress(BrokenPipeError):  # it has died, which is seen next
            self.connection.send(scope)

    def status(self) -> int | None:
        """Return its exit status when it has ended."""
        self.connection.close()
        self._process.join()
        return self._process.exitcode


# A worker.


def work(session: pytest.Session, name: str, connection: Connection, not_ours: Iterable[Connection]) -> None:
    """Run what the main process hands out, to its end."""
    for each in not_ours:
        each.close()
    become_another_process(session.config, name)
    session.config.pluginmanager.register(Sender(connection))
    try:
        while scope := connection.recv():
            for place, index in enumerate(scope, 1):
                item = session.items[index]
                following = session.items[scope[place]] if place < len(scope) else Elsewhere(session)
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if connection.poll() and place < len(scope):
                    return  # it is the end: enough have failed
            leave_out_what_is_there()
    except EOFError:
        pass  # the main process has died
    finally:
        runner.pytest_sessionfinish(session)
        atexit._run_exitfuncs()


def become_another_process(config: pytest.Config, name: str) -> None:
    """Take what processes cannot share: where output is captured, the reactor's descriptors, the folder for files."""
    capturing: Any = config.pluginmanager.getplugin("capturemanager")
    capturing.stop_global_capturing()
    capturing.start_global_capturing()
    capturing.suspend_global_capture(in_=True)
    if reactor := sys.modules.get("twisted.internet.reactor"):
        type(reactor).__init__(reactor)  # type: ignore[call-arg]  # nothing has been asked of it
    factory: Any = config._tmp_path_factory  # type: ignore[attr-defined]
    factory._basetemp = factory.getbasetemp() / name
    factory._basetemp.mkdir(mode=0o700)


class Elsewhere:
    """A stand-in for the test after the last one of a scope: only the fixtures of the session outlive that one."""

    def __init__(self, session: pytest.Session) -> None:
        self._session = session

    def listchain(self) -> list[pytest.Session]:
        """Return what a next test would have in common with any other."""
        return [self._session]


class Sender:
    """Plugin of a worker: sends the main process its reports and warnings."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._has_begun = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Run a test and send what the main process has to know of it.

        To log each of its reports here would be more work than a small test itself.
        """
        self._has_begun = True
        as_data = item.config.hook.pytest_report_to_serializable
        reports = worth_sending(runner.runtestprotocol(item, log=False, nextitem=nextitem))
        self._connection.send([as_data(config=item.config, report=report) for report in reports])
        return True

    def pytest_warning_recorded(self, warning_message: warnings.WarningMessage, nodeid: str) -> None:
        """Send a warning, which pytest lists at its end.

        Those that it has from before this worker began are given to this plugin as well, and are known.
        """
        said = warning_message
        if self._has_begun:
            self._connection.send((nodeid, str(said.message), said.category, said.filename, said.lineno))


def worth_sending(reports: list[pytest.TestReport]) -> list[pytest.TestReport]:
    """Return the report of the call alone if all has passed, with the time of all, and without its keywords.

    These are most of its size, and asked for by nobody.
    """
    calls = [report for report in reports if report.when == "call"]
    if not all(report.passed for report in reports) or not calls:
        return reports
    calls[0].duration = sum(report.duration for report in reports)
    calls[0].keywords = {}
    return calls
