"""The calls of a store whose data is in a database: each is a job for the queue of the one whose data it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from gateway.sasl.keys import ScramHash, ScramKeys
from gateway.storage import rosters, statements
from gateway.storage.commits import CommitQueue
from gateway.storage.dialects import SqlConnection
from gateway.storage.errors import StoreUnavailable
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


class DatabaseStore(ABC):
    """The part of IStore that is the same for every database; `token` returns an unpredictable string."""

    def __init__(self, *, token: Callable[[], str], limits: StoreLimits) -> None:
        self._token = token
        self._limits = limits

    @abstractmethod
    def _of(self, owner: str) -> CommitQueue:
        """Return the queue of an account or a service: its calls take effect in the order in which they were made."""

    def _write(
        self, account: str, job: Callable[Concatenate[SqlConnection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]:
        """Run a job that changes something of an account; the Deferred fires when that will survive a crash."""
        return self._of(account).write(job, *args, **kwargs)

    def add_account(self, account: str, keys: Collection[ScramKeys]) -> Deferred[None]:
        return self._write(account, statements.add_account, account, tuple(keys), self._token())

    def delete_account(self, account: str) -> Deferred[None]:
        return self._write(account, statements.delete_account, account)

    def has_account(self, account: str) -> Deferred[bool]:
        return self._of(account).read(statements.has_account, account)

    def keys(self, account: str, hashes: Sequence[ScramHash]) -> Deferred[ScramKeys | None]:
        return self._of(account).read(statements.keys, account, tuple(hashes))

    def set_keys(self, account: str, keys: Collection[ScramKeys]) -> Deferred[None]:
        return self._write(account, statements.set_keys, account, tuple(keys))

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

    def value(self, service: str, key: str) -> Deferred[bytes | None]:
        return self._of(service).read(statements.value, service, key)

    def set_value(self, service: str, key: str, content: bytes | None) -> Deferred[None]:
        return self._of(service).write(statements.set_value, service, key, content, self._limits)

    def values(self, service: str, prefix: str = "") -> Deferred[dict[str, bytes]]:
        return self._of(service).read(statements.values, service, prefix)


def ignore_failure(failure: Failure) -> None:
    """Ignore a failure that the queue has recorded as its fault."""
    failure.trap(StoreUnavailable)
