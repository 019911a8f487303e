"""A store in memory: IStore in dictionaries, for tests and for trying the gateway out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import wraps
from itertools import count, islice
from typing import Concatenate, ParamSpec, TypeVar

from twisted.internet.defer import Deferred, execute, fail, succeed
from zope.interface import implementer

from gateway.sasl.keys import ScramHash, ScramKeys
from gateway.storage.errors import AccountExists, NoSuchAccount, StoreUnavailable
from gateway.storage.interfaces import IStore
from gateway.storage.records import (
    OfflineMessage,
    Relation,
    RelationUpdate,
    Roster,
    RosterChange,
    RosterItem,
    StoreLimits,
    SubscriptionRequest,
    check_contact,
    check_limit,
    read_version,
    write_version,
)

T = TypeVar("T")
P = ParamSpec("P")

_NOTHING = Relation()


def _deferred(
    method: Callable[Concatenate[MemoryStore, P], T],
) -> Callable[Concatenate[MemoryStore, P], Deferred[T]]:
    """Make a synchronous method return a Deferred, as IStore requires."""

    @wraps(method)
    def deferred(self: MemoryStore, /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        if self._closed:
            return fail(StoreUnavailable("the store is closed"))
        return execute(method, self, *args, **kwargs)

    return deferred


@dataclass(kw_only=True)
class _AccountData:
    """Everything that belongs to one account."""

    epoch: str
    keys: dict[ScramHash, ScramKeys]
    version: int = 0
    forgotten: int = 0
    relations: dict[str, Relation] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)  # when each contact's item last changed or was removed
    offline: dict[int, bytes] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    documents: dict[str, bytes] = field(default_factory=dict)

    def items(self) -> list[RosterItem]:
        """The roster items, ordered by contact."""
        return [relation.item for _, relation in sorted(self.relations.items()) if relation.item]

    def requests(self) -> list[SubscriptionRequest]:
        """The unanswered requests, ordered by contact."""
        return [
            SubscriptionRequest(contact=contact, stanza=relation.request)
            for contact, relation in sorted(self.relations.items())
            if relation.request is not None
        ]

    def change(self, contact: str, relation: Relation, kept: int) -> None:
        """Replace a relation."""
        if relation.item != self.relations.get(contact, _NOTHING).item:
            self.version += 1
            self.versions[contact] = self.version
        self.relations[contact] = relation
        if relation == _NOTHING:
            del self.relations[contact]
        self._forget_removals(kept)

    def _forget_removals(self, kept: int) -> None:
        listed = {item.contact for item in self.items()}
        removed = sorted((version, contact) for contact, version in self.versions.items() if contact not in listed)
        for version, contact in removed[: max(0, len(removed) - kept)]:
            self.forgotten = version
            del self.versions[contact]


@implementer(IStore)
class MemoryStore:
    """IStore in memory; `token` returns an unpredictable string."""

    def __init__(self, *, token: Callable[[], str], limits: StoreLimits) -> None:
        self._token = token
        self._limits = limits
        self._accounts: dict[str, _AccountData] = {}
        self._values: dict[str, dict[str, bytes]] = {}
        self._ids = count(1)
        self._closed = False

    def close(self) -> Deferred[None]:
        self._closed = True
        return succeed(None)

    @_deferred
    def add_account(self, account: str, keys: Collection[ScramKeys]) -> None:
        if account in self._accounts:
            raise AccountExists(account)
        self._accounts[account] = _AccountData(epoch=self._token(), keys=_by_hash(keys))

    @_deferred
    def delete_account(self, account: str) -> None:
        self._find(account)
        del self._accounts[account]

    @_deferred
    def has_account(self, account: str) -> bool:
        return account in self._accounts

    @_deferred
    def accounts(self, domain: str | None = None) -> tuple[str, ...]:
        return tuple(sorted(name for name in self._accounts if domain in (None, name.partition("@")[2])))

    @_deferred
    def keys(self, account: str, hashes: Sequence[ScramHash]) -> ScramKeys | None:
        found = self._accounts[account].keys if account in self._accounts else {}
        return next((found[hash] for hash in hashes if hash in found), None)

    @_deferred
    def set_keys(self, account: str, keys: Collection[ScramKeys]) -> None:
        self._find(account).keys = _by_hash(keys)

    @_deferred
    def roster(self, account: str) -> Roster:
        found = self._find(account)
        return Roster(version=write_version(found.epoch, found.version), items=tuple(found.items()))

    @_deferred
    def roster_changes(self, account: str, since: str) -> tuple[RosterChange, ...] | None:
        found = self._find(account)
        known = read_version(since, found.epoch)
        if known is None or not found.forgotten <= known <= found.version:
            return None
        changed = sorted((version, contact) for contact, version in found.versions.items() if version > known)
        return tuple(
            RosterChange(
                version=write_version(found.epoch, version),
                contact=contact,
                item=found.relations.get(contact, _NOTHING).item,
            )
            for version, contact in changed
        )

    @_deferred
    def relation(self, account: str, contact: str) -> Relation:
        return self._find(account).relations.get(contact, _NOTHING)

    @_deferred
    def update_relation(self, account: str, contact: str, change: Callable[[Relation], Relation]) -> RelationUpdate:
        found = self._find(account)
        before = found.relations.get(contact, _NOTHING)
        after = change(before)
        check_contact(contact, after)
        self._limits.check_relation(before, after)
        if after.item and not before.item:
            check_limit("roster items", len(found.items()) + 1, self._limits.roster_items)
        if after.request is not None and before.request is None:
            check_limit("subscription requests", len(found.requests()) + 1, self._limits.requests)
        found.change(contact, after, self._limits.forgotten_contacts)
        return RelationUpdate(before=before, after=after, version=write_version(found.epoch, found.version))

    @_deferred
    def requests(self, account: str) -> tuple[SubscriptionRequest, ...]:
        return tuple(self._find(account).requests())

    @_deferred
    def add_offline(self, account: str, stanza: bytes) -> int:
        offline = self._find(account).offline
        size = sum(map(len, offline.values())) + len(stanza)
        check_limit("offline messages", len(offline) + 1, self._limits.offline_messages)
        check_limit("bytes of offline messages", size, self._limits.offline_bytes)
        id = next(self._ids)
        offline[id] = stanza
        return id

    @_deferred
    def offline(self, account: str, after: int = 0, limit: int = 100) -> tuple[OfflineMessage, ...]:
        later = ((id, stanza) for id, stanza in self._find(account).offline.items() if id > after)
        return tuple(OfflineMessage(id=id, stanza=stanza) for id, stanza in islice(later, limit))

    @_deferred
    def remove_offline(self, account: str, ids: Collection[int]) -> None:
        offline = self._find(account).offline
        for id in ids:
            offline.pop(id, None)

    @_deferred
    def blocked(self, account: str) -> frozenset[str]:
        return frozenset(self._find(account).blocked)

    @_deferred
    def block(self, account: str, addresses: Collection[str]) -> None:
        found = self._find(account)
        for address in addresses:
            self._limits.check_name("blocked address", address)
        blocked = found.blocked.union(addresses)
        check_limit("blocked addresses", len(blocked), self._limits.blocked)
        found.blocked = blocked

    @_deferred
    def unblock(self, account: str, addresses: Collection[str] | None = None) -> None:
        found = self._find(account)
        found.blocked = set() if addresses is None else found.blocked.difference(addresses)

    @_deferred
    def document(self, account: str, name: str) -> bytes | None:
        return self._find(account).documents.get(name)

    @_deferred
    def set_document(self, account: str, name: str, content: bytes | None) -> None:
        documents = self._find(account).documents
        if content is None:
            documents.pop(name, None)
            return
        self._limits.check_name("document", name)
        check_limit("bytes in a document", len(content) + len(name.encode()), self._limits.document_bytes)
        check_limit("documents", len({*documents, name}), self._limits.documents)
        documents[name] = content

    @_deferred
    def value(self, service: str, key: str) -> bytes | None:
        return self._values.get(service, {}).get(key)

    @_deferred
    def set_value(self, service: str, key: str, content: bytes | None) -> None:
        values = self._values.setdefault(service, {})
        if content is None:
            values.pop(key, None)
            return
        self._limits.check_value(key, content, len({*values, key}))
        values[key] = content

    @_deferred
    def values(self, service: str, prefix: str = "") -> dict[str, bytes]:
        return {
            key: content for key, content in sorted(self._values.get(service, {}).items()) if key.startswith(prefix)
        }

    def _find(self, account: str) -> _AccountData:
        if account not in self._accounts:
            raise NoSuchAccount(account)
        return self._accounts[account]


def _by_hash(keys: Collection[ScramKeys]) -> dict[ScramHash, ScramKeys]:
    return {key.hash: key for key in keys}
