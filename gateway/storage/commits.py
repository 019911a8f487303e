"""Group commit: jobs on one connection, in order; those that wait share one transaction.

A commit waits for the disk; a job hardly waits at all. So the next jobs gather while one transaction is being
committed; the more there are, the less each costs. A job's Deferred fires only after the commit that made it durable. A
job that raises is undone alone (each of several has a savepoint); when the database itself fails, all are undone.

Maintenance (such as a checkpoint) runs outside of any transaction, in its place in the order. A caller that must not
continue with a failed connection says so with `goes_on`: then everything that waits fails with the same error, and the
connection is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from gateway.storage.dialects import SQLITE, Dialect, SqlConnection
from gateway.storage.errors import StoreUnavailable
from gateway.storage.health import StoreFault

T = TypeVar("T")
P = ParamSpec("P")

Job: TypeAlias = Callable[[SqlConnection], Any]
# Runs a function where waiting for the disk delays nobody, and returns its result.
Runner: TypeAlias = Callable[[Callable[[], Any]], Deferred[Any]]

JOBS_PER_TRANSACTION = 500  # some 20 ms: the time that a reader waits behind a flood of writers
JOBS_WAITING = 50_000


@dataclass(frozen=True, kw_only=True)
class _WaitingJob:
    job: Job
    writes: bool
    done: Deferred[Any]
    is_alone: bool = False  # outside of any transaction


class CommitQueue:
    """The jobs that wait for one connection. `run` may carry them to another thread; everything else stays in the
    caller's.
    """

    def __init__(
        self,
        connection: SqlConnection,
        run: Runner,
        *,
        dialect: Dialect = SQLITE,
        starting: Callable[[], None] = lambda: None,
        goes_on: Callable[[StoreUnavailable], bool] = lambda _: True,
    ) -> None:
        """`starting` is called in the caller's thread before a transaction is passed to `run`.

        `goes_on` is called, before any Deferred fires, and returns whether the connection may be used after it failed.
        """
        self._connection = connection
        self._run = run
        self._dialect = dialect
        self._starting = starting
        self._goes_on = goes_on
        self._waiting: list[_WaitingJob] = []
        self._running = False
        self._closed: Deferred[None] | None = None
        self.fault: StoreFault | None = None  # of the last transaction

    @property
    def is_idle(self) -> bool:
        """Return whether the next job would be begun at once."""
        return not self._running

    def read(self, job: Callable[Concatenate[SqlConnection, P], T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Run a job that changes nothing."""
        return self._add(lambda connection: job(connection, *args, **kwargs), writes=False)

    def write(self, job: Callable[Concatenate[SqlConnection, P], T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        """Run a job that changes something; the Deferred fires when the change will survive a crash."""
        return self._add(lambda connection: job(connection, *args, **kwargs), writes=True)

    def maintain(self, job: Job) -> Deferred[Any]:
        """Run a job outside of any transaction, such as a checkpoint; its error is StoreUnavailable."""
        return self._add(job, writes=False, is_alone=True)

    def close(self) -> Deferred[None]:
        """Do the waiting jobs, close the connection, and accept no more."""
        if self._closed is None:
            self._closed = Deferred()
            self._start()
        return self._closed

    def _add(self, job: Job, *, writes: bool, is_alone: bool = False) -> Deferred[Any]:
        if self._closed is not None:
            return fail(StoreUnavailable("the store is closed"))
        if len(self._waiting) >= JOBS_WAITING:
            return fail(StoreUnavailable(f"{JOBS_WAITING} requests are already waiting for the store"))
        done: Deferred[Any] = Deferred()
        self._waiting.append(_WaitingJob(job=job, writes=writes, done=done, is_alone=is_alone))
        self._start()
        return done

    def _start(self) -> None:
        if self._running:
            return
        if self._waiting:
            self._running = True
            self._starting()
            batch = self._take_batch()
            run = run_alone if batch[0].is_alone else run_transaction
            self._run(lambda: run(self._connection, batch, self._dialect)).addBoth(self._finish, batch)
        elif self._closed is not None:
            self._running = True
            self._run(self._connection.close).chainDeferred(self._closed)

    def _take_batch(self) -> list[_WaitingJob]:
        """Take what comes next: jobs for one transaction, or a job that runs alone."""
        batch = self._waiting[:JOBS_PER_TRANSACTION]
        end = next((number for number, each in enumerate(batch) if each.is_alone), len(batch))
        batch = batch[: end or 1]
        del self._waiting[: len(batch)]
        return batch

    def _finish(self, outcomes: list[Any] | Failure, batch: Sequence[_WaitingJob]) -> None:
        """Fire the Deferreds; requests that their callbacks make go into the next transaction together."""
        error = outcomes.value if isinstance(outcomes, Failure) else None
        if self.fault is None or not self.fault.lasts:
            self.fault = self._dialect.fault_of(error.__cause__) if error is not None else None
        if isinstance(error, StoreUnavailable) and not self._goes_on(error):
            batch, self._waiting = [*batch, *self._waiting], []
            self._closed = self._closed or Deferred()
        for index, waiting in enumerate(batch):
            waiting.done.callback(outcomes if isinstance(outcomes, Failure) else outcomes[index])
        self._running = False
        self._start()


def run_transaction(connection: SqlConnection, batch: Sequence[_WaitingJob], dialect: Dialect = SQLITE) -> list[Any]:
    """Return the outcome of each job, a result or a Failure, all committed; raise StoreUnavailable if none is."""
    while True:
        try:
            dialect.begin(connection, writes=any(waiting.writes for waiting in batch))
            if len(batch) == 1:  # a savepoint would copy every page that the job changes
                outcome = _run_job(connection, batch[0].job, dialect)
                end = dialect.roll_back if isinstance(outcome, Failure) else dialect.commit
                end(connection)
                return [outcome]
            outcomes = [_run_in_savepoint(connection, waiting.job, dialect) for waiting in batch]
            dialect.commit(connection)
            return outcomes
        except dialect.error as error:
            with suppress(dialect.error):
                dialect.roll_back(connection)
            reason = dialect.retry(connection, error)
            if reason is not None:
                raise StoreUnavailable(f"the database failed: {dialect.describe(reason)}") from reason


def run_alone(connection: SqlConnection, batch: Sequence[_WaitingJob], dialect: Dialect = SQLITE) -> list[Any]:
    """Return the outcome of one job outside of any transaction; raise StoreUnavailable if the database fails."""
    try:
        return [waiting.job(connection) for waiting in batch]
    except dialect.error as error:
        raise StoreUnavailable(f"the database failed: {dialect.describe(error)}") from error


def _run_in_savepoint(connection: SqlConnection, job: Job, dialect: Dialect) -> Any:
    """Return as `_run_job` does; what a job did that failed is undone."""
    connection.execute("SAVEPOINT job")
    outcome = _run_job(connection, job, dialect)
    if isinstance(outcome, Failure):
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")
    return outcome


def _run_job(connection: SqlConnection, job: Job, dialect: Dialect) -> Any:
    """Return the outcome of a job, a result or a Failure; raise the error if the database itself has failed."""
    try:
        return job(connection)
    except Exception as error:
        if isinstance(error, dialect.error) and not dialect.is_of_the_job(error):
            raise
        return Failure()
