"""A store in one SQLite file: IStore over a queue of jobs.

twisted.enterprise.adbapi was considered: it commits every call separately, and so waits for the disk as often as there
are stanzas in a flood of offline messages. Here, jobs that wait at the same time are committed together (commits.py).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from sqlite3 import Connection

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.sasl.keys import ScramHash, ScramKeys
from gateway.storage import rosters, statements
from gateway.storage.commits import CommitQueue, Runner
from gateway.storage.errors import StoreUnavailable
from gateway.storage.health import StoreFault
from gateway.storage.interfaces import IStore, IWatchedStore
from gateway.storage.records import (
    OfflineMessage,
    Relation,
    RelationUpdate,
    Roster,
    RosterChange,
    StoreLimits,
    SubscriptionRequest,
)


@implementer(IStore, IWatchedStore)
class SqliteStore:
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
        self._queue = CommitQueue(connection, run)
        self._stop = stop
        self._closed: Deferred[None] | None = None
        self._token = token
        self._limits = limits

    def add_account(self, account: str, keys: Collection[ScramKeys]) -> Deferred[None]:
        return self._queue.write(statements.add_account, account, tuple(keys), self._token())

    def delete_account(self, account: str) -> Deferred[None]:
        return self._queue.write(statements.delete_account, account)

    def has_account(self, account: str) -> Deferred[bool]:
        return self._queue.read(statements.has_account, account)

    def accounts(self, domain: str | None = None) -> Deferred[tuple[str, ...]]:
        return self._queue.read(statements.accounts, domain)

    def keys(self, account: str, hashes: Sequence[ScramHash]) -> Deferred[ScramKeys | None]:
        return self._queue.read(statements.keys, account, tuple(hashes))

    def set_keys(self, account: str, keys: Collection[ScramKeys]) -> Deferred[None]:
        return self._queue.write(statements.set_keys, account, tuple(keys))

    def roster(self, account: str) -> Deferred[Roster]:
        return self._queue.read(rosters.roster, account)

    def roster_changes(self, account: str, since: str) -> Deferred[tuple[RosterChange, ...] | None]:
        return self._queue.read(rosters.roster_changes, account, since)

    def relation(self, account: str, contact: str) -> Deferred[Relation]:
        return self._queue.read(rosters.relation, account, contact)

    def update_relation(
        self, account: str, contact: str, change: Callable[[Relation], Relation]
    ) -> Deferred[RelationUpdate]:
        return self._queue.write(rosters.update_relation, account, contact, change, self._limits)

    def requests(self, account: str) -> Deferred[tuple[SubscriptionRequest, ...]]:
        return self._queue.read(rosters.requests, account)

    def add_offline(self, account: str, stanza: bytes) -> Deferred[int]:
        return self._queue.write(statements.add_offline, account, stanza, self._limits)

    def offline(self, account: str, after: int = 0, limit: int = 100) -> Deferred[tuple[OfflineMessage, ...]]:
        return self._queue.read(statements.offline, account, after, limit)

    def remove_offline(self, account: str, ids: Collection[int]) -> Deferred[None]:
        return self._queue.write(statements.remove_offline, account, tuple(ids))

    def blocked(self, account: str) -> Deferred[frozenset[str]]:
        return self._queue.read(statements.blocked, account)

    def block(self, account: str, addresses: Collection[str]) -> Deferred[None]:
        return self._queue.write(statements.block, account, tuple(addresses), self._limits)

    def unblock(self, account: str, addresses: Collection[str] | None = None) -> Deferred[None]:
        kept = None if addresses is None else tuple(addresses)
        return self._queue.write(statements.unblock, account, kept)

    def document(self, account: str, name: str) -> Deferred[bytes | None]:
        return self._queue.read(statements.document, account, name)

    def set_document(self, account: str, name: str, content: bytes | None) -> Deferred[None]:
        return self._queue.write(statements.set_document, account, name, content, self._limits)

    def value(self, service: str, key: str) -> Deferred[bytes | None]:
        return self._queue.read(statements.value, service, key)

    def set_value(self, service: str, key: str, content: bytes | None) -> Deferred[None]:
        return self._queue.write(statements.set_value, service, key, content, self._limits)

    def values(self, service: str, prefix: str = "") -> Deferred[dict[str, bytes]]:
        return self._queue.read(statements.values, service, prefix)

    @property
    def fault(self) -> StoreFault | None:
        """The fault of the database, as the last transaction has shown it."""
        return self._queue.fault

    def look(self) -> Deferred[None]:
        """Write without changing anything, to find out whether the database works; `fault` has the answer."""
        return self._queue.write(statements.touch).addErrback(_noted)

    def close(self) -> Deferred[None]:
        if self._closed is None:
            self._closed = self._queue.close().addCallback(lambda _: self._stop())
        return self._closed


def _noted(failure: Failure) -> None:
    """Ignore a failure that the queue has recorded as its fault."""
    failure.trap(StoreUnavailable)
