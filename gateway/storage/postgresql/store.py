"""A store on a PostgreSQL server: IStore over several sessions.

A session does one transaction at a time, and the server is some way off. So there are several, each with a thread and a
queue of its own, and an account always has the same one: calls about one account take effect in the order in which
they were made, as do those about one service. Jobs that wait for a session share a transaction, as with a file.

Other gateways may write to the same database. A write locks the row of its account first, so that limits hold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar
from zlib import crc32

from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.storage import statements
from gateway.storage.calls import DatabaseStore, ignore_failure
from gateway.storage.commits import CommitQueue, Runner
from gateway.storage.dialects import SqlConnection
from gateway.storage.health import StoreFault
from gateway.storage.interfaces import IShardedStore, IStore, IWatchedStore
from gateway.storage.postgresql.driver import ServerDatabase
from gateway.storage.postgresql.epochs import Lease, LeaseOf, check_lease
from gateway.storage.postgresql.schemas import ACCOUNTS, bring_up_to_date
from gateway.storage.postgresql.session import POSTGRESQL, DatabaseSession, fault_of
from gateway.storage.records import StoreLimits

T = TypeVar("T")
P = ParamSpec("P")

SESSIONS = 4


@dataclass(frozen=True, kw_only=True)
class _QueuedSession:
    """A session, and the queue of its jobs."""

    session: DatabaseSession
    queue: CommitQueue
    stop: Callable[[], None]

    @property
    def fault(self) -> StoreFault | None:
        return fault_of(self.session.error) or self.queue.fault

    def close(self) -> Deferred[None]:
        """Do the waiting jobs, but wait no longer for a server that is away."""
        self.session.hurry()
        return self.queue.close().addCallback(lambda _: self.stop())


@implementer(IStore, IShardedStore, IWatchedStore)
class PostgresqlStore(DatabaseStore):
    """IStore over a database on a server; `token` returns an unpredictable string."""

    def __init__(
        self,
        database: ServerDatabase,
        *,
        runners: Sequence[tuple[Runner, Callable[[], None]]],
        token: Callable[[], str],
        limits: StoreLimits,
        lease_of: LeaseOf = lambda account: None,
        **timing: Any,
    ) -> None:
        """Make a session for each runner: a function that carries its transactions to where waiting is allowed.

        The second function of a runner ends it. `lease_of` returns the epoch under which an account is written.
        `timing` is passed to the sessions.
        """
        super().__init__(token=token, limits=limits)
        self._sessions = [_queued_session(DatabaseSession(database, prepare, **timing), *runner) for runner in runners]
        self._lease_of = lease_of
        self._closed: Deferred[None] | None = None

    def accounts(self, domain: str | None = None) -> Deferred[tuple[str, ...]]:
        # Behind what was asked of the other sessions.
        others = [each.queue.read(_nothing) for each in self._sessions[1:]]
        return gatherResults(others, consumeErrors=True).addCallbacks(
            lambda _: self._sessions[0].queue.read(statements.accounts, domain), _first_error
        )

    def set_value(self, service: str, key: str, content: bytes | None) -> Deferred[None]:
        return self._of(service).write(_set_value, service, key, content, self._limits)

    def claim(self, leases: Sequence[tuple[int, int]]) -> Deferred[None]:
        def write(db: SqlConnection) -> None:
            for lease in sorted(leases):  # all in the same order: else they could lock each other out
                check_lease(db, Lease(*lease))

        return self._sessions[0].queue.write(write)

    @property
    def fault(self) -> StoreFault | None:
        """The fault of the database, as the last transactions have shown it."""
        return next((each.fault for each in self._sessions if each.fault is not None), None)

    def look(self) -> Deferred[None]:
        """Have every session write without changing anything, to find out whether it works; `fault` has the answer."""
        looks = [each.queue.write(_touch).addErrback(ignore_failure) for each in self._sessions]
        return gatherResults(looks).addCallback(lambda _: None)

    def close(self) -> Deferred[None]:
        if self._closed is None:
            self._closed = gatherResults([each.close() for each in self._sessions]).addCallback(lambda _: None)
        return self._closed

    def _of(self, owner: str) -> CommitQueue:
        return self._sessions[crc32(owner.encode()) % len(self._sessions)].queue

    def _write(
        self, account: str, job: Callable[Concatenate[SqlConnection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        lease = self._lease_of(account)

        def write(db: SqlConnection) -> T:
            if lease is not None:
                check_lease(db, lease)
            db.execute("SELECT 1 FROM accounts WHERE address = ? FOR UPDATE", (account,))
            return job(db, *args, **kwargs)

        return self._of(account).write(write)


def _queued_session(session: DatabaseSession, run: Runner, stop: Callable[[], None]) -> _QueuedSession:
    return _QueuedSession(session=session, queue=CommitQueue(session, run, dialect=POSTGRESQL), stop=stop)


prepare = partial(bring_up_to_date, part=ACCOUNTS)
"""Makes the tables of the accounts, or brings them up to date."""


def _set_value(db: SqlConnection, service: str, key: str, content: bytes | None, limits: StoreLimits) -> None:
    """Write a value of a service, one writer after the other."""
    db.execute("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", (service,))
    statements.set_value(db, service, key, content, limits)


def _touch(db: SqlConnection) -> None:
    """Write the number of the schema unchanged: a write that changes nothing."""
    db.execute("UPDATE xmpp_gateway_schema SET version = version WHERE part = ?", (ACCOUNTS.name,))


def _nothing(db: SqlConnection) -> None:
    """Take a place in the order."""


def _first_error(failure: Failure) -> Failure:
    """Return the failure itself, without what gatherResults has wrapped around it."""
    error = failure.value
    return error.subFailure if isinstance(error, FirstError) else failure
