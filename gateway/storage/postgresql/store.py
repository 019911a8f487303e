"""A store on a PostgreSQL server: IStore over several sessions.

A session does one transaction at a time, and the server is some way off. So there are several, each with a thread and a
queue of its own, and an account always has the same one: calls about one account take effect in the order in which
they were made, as do those about one service. Jobs that wait for a session share a transaction, as with a file.

Other gateways may write to the same database. A write locks the row of its account first, so that limits hold.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar
from zlib import crc32

from twisted.internet.defer import Deferred, FirstError, gatherResults
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.sasl.keys import ScramHash, ScramKeys
from gateway.storage import rosters, statements
from gateway.storage.commits import CommitQueue, Runner
from gateway.storage.dialects import SqlConnection
from gateway.storage.errors import StoreUnavailable
from gateway.storage.health import StoreFault
from gateway.storage.interfaces import IStore, IWatchedStore
from gateway.storage.postgresql.driver import ServerDatabase
from gateway.storage.postgresql.epochs import LeaseOf, check_lease
from gateway.storage.postgresql.schemas import ACCOUNTS, bring_up_to_date
from gateway.storage.postgresql.session import POSTGRESQL, DatabaseSession, fault_of
from gateway.storage.records import (
    OfflineMessage,
    Relation,
    RelationUpdate,
    Roster,
    RosterChange,
    StoreLimits,
    SubscriptionRequest,
)

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


@implementer(IStore, IWatchedStore)
class PostgresqlStore:
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
        self._sessions = [_queued_session(DatabaseSession(database, prepare, **timing), *runner) for runner in runners]
        self._token = token
        self._limits = limits
        self._lease_of = lease_of
        self._closed: Deferred[None] | None = None

    # -- accounts -----------------------------------------------------------------------------------------------------

    def add_account(self, account: str, keys: Collection[ScramKeys]) -> Deferred[None]:
        return self._write(account, statements.add_account, account, tuple(keys), self._token())

    def delete_account(self, account: str) -> Deferred[None]:
        return self._write(account, statements.delete_account, account)

    def has_account(self, account: str) -> Deferred[bool]:
        return self._of(account).read(statements.has_account, account)

    def accounts(self, domain: str | None = None) -> Deferred[tuple[str, ...]]:
        # Behind what was asked of the other sessions.
        others = [each.queue.read(_nothing) for each in self._sessions[1:]]
        return gatherResults(others, consumeErrors=True).addCallbacks(
            lambda _: self._sessions[0].queue.read(statements.accounts, domain), _first_error
        )

    def keys(self, account: str, hashes: Sequence[ScramHash]) -> Deferred[ScramKeys | None]:
        return self._of(account).read(statements.keys, account, tuple(hashes))

    def set_keys(self, account: str, keys: Collection[ScramKeys]) -> Deferred[None]:
        return self._write(account, statements.set_keys, account, tuple(keys))

    # -- rosters ------------------------------------------------------------------------------------------------------

    def roster(self, account: str) -> Deferred[Roster]:
        return self._of(account).read(rosters.roster, account)

    def roster_changes(self, account: str, since: str) -> Deferred[tuple[RosterChange, ...] | None]:
        return self._of(account).read(rosters.roster_changes, account, since)

    def relation(self, account: str, contact: str) -> Deferred[Relation]:
        return self._of(account).read(rosters.relation, account, contact)

    def update_relation(
        self, account: str, contact: str, change: Callable[[Relation], Relation]
    ) -> Deferred[RelationUpdate]:
        return self._write(account, rosters.update_relation, account, contact, change, self._limits)

    def requests(self, account: str) -> Deferred[tuple[SubscriptionRequest, ...]]:
        return self._of(account).read(rosters.requests, account)

    # -- what belongs to an account -----------------------------------------------------------------------------------

    def add_offline(self, account: str, stanza: bytes) -> Deferred[int]:
        return self._write(account, statements.add_offline, account, stanza, self._limits)

    def offline(self, account: str, after: int = 0, limit: int = 100) -> Deferred[tuple[OfflineMessage, ...]]:
        return self._of(account).read(statements.offline, account, after, limit)

    def remove_offline(self, account: str, ids: Collection[int]) -> Deferred[None]:
        return self._write(account, statements.remove_offline, account, tuple(ids))

    def blocked(self, account: str) -> Deferred[frozenset[str]]:
        return self._of(account).read(statements.blocked, account)

    def block(self, account: str, addresses: Collection[str]) -> Deferred[None]:
        return self._write(account, statements.block, account, tuple(addresses), self._limits)

    def unblock(self, account: str, addresses: Collection[str] | None = None) -> Deferred[None]:
        kept = None if addresses is None else tuple(addresses)
        return self._write(account, statements.unblock, account, kept)

    def document(self, account: str, name: str) -> Deferred[bytes | None]:
        return self._of(account).read(statements.document, account, name)

    def set_document(self, account: str, name: str, content: bytes | None) -> Deferred[None]:
        return self._write(account, statements.set_document, account, name, content, self._limits)

    # -- services -----------------------------------------------------------------------------------------------------

    def value(self, service: str, key: str) -> Deferred[bytes | None]:
        return self._of(service).read(statements.value, service, key)

    def set_value(self, service: str, key: str, content: bytes | None) -> Deferred[None]:
        return self._of(service).write(_set_value, service, key, content, self._limits)

    def values(self, service: str, prefix: str = "") -> Deferred[dict[str, bytes]]:
        return self._of(service).read(statements.values, service, prefix)

    # -- the store itself ---------------------------------------------------------------------------------------------

    @property
    def fault(self) -> StoreFault | None:
        """The fault of the database, as the last transactions have shown it."""
        return next((each.fault for each in self._sessions if each.fault is not None), None)

    def look(self) -> Deferred[None]:
        """Have every session write without changing anything, to find out whether it works; `fault` has the answer."""
        looks = [each.queue.write(_touch).addErrback(_noted) for each in self._sessions]
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


def _noted(failure: Failure) -> None:
    """Ignore a failure that the queue has recorded as its fault."""
    failure.trap(StoreUnavailable)


def _first_error(failure: Failure) -> Failure:
    """Return the failure itself, without what gatherResults has wrapped around it."""
    error = failure.value
    return error.subFailure if isinstance(error, FirstError) else failure
