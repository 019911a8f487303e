"""A store in one SQLite file: IStore over a queue of jobs.

twisted.enterprise.adbapi was considered: it commits every call separately, and so waits for the disk as often as there
are stanzas in a flood of offline messages. Here, jobs that wait at the same time are committed together (commits.py).
"""

from __future__ import annotations

from collections.abc import Callable
from sqlite3 import Connection

from twisted.internet.defer import Deferred
from zope.interface import implementer

from gateway.storage import statements
from gateway.storage.calls import DatabaseStore, ignore_failure
from gateway.storage.commits import CommitQueue, Runner
from gateway.storage.health import StoreFault
from gateway.storage.interfaces import IStore, IWatchedStore
from gateway.storage.records import StoreLimits


@implementer(IStore, IWatchedStore)
class SqliteStore(DatabaseStore):
    """IStore over a connection; `token` returns an unpredictable string.

    `run` carries transactions to where waiting is allowed, and `stop` ends that when the store is closed.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        run: Runner,
        stop: Callable[[], None] = lambda: None,
        token: Callable[[], str],
        limits: StoreLimits,
    ) -> None:
        super().__init__(token=token, limits=limits)
        self._queue = CommitQueue(connection, run)
        self._stop = stop
        self._closed: Deferred[None] | None = None

    def _of(self, owner: str) -> CommitQueue:
        return self._queue

    def accounts(self, domain: str | None = None) -> Deferred[tuple[str, ...]]:
        return self._queue.read(statements.accounts, domain)

    @property
    def fault(self) -> StoreFault | None:
        """The fault of the database, as the last transaction has shown it."""
        return self._queue.fault

    def look(self) -> Deferred[None]:
        """Write without changing anything, to find out whether the database works; `fault` has the answer."""
        return self._queue.write(statements.touch).addErrback(ignore_failure)

    def close(self) -> Deferred[None]:
        if self._closed is None:
            self._closed = self._queue.close().addCallback(lambda _: self._stop())
        return self._closed
