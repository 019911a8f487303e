"""The SQL of rosters and subscription requests: functions over a connection, each inside the caller's transaction.

An item has the number of the roster version in which it last changed; so has the record of a removal. The changes since
a version are both, in the order of these numbers. Only a limited number of removals is recorded: for an older version
the changes are unknown.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from gateway.storage.dialects import SqlConnection
from gateway.storage.errors import NoSuchAccount
from gateway.storage.records import (
    Relation,
    RelationUpdate,
    Roster,
    RosterChange,
    RosterItem,
    StoreLimits,
    Subscription,
    SubscriptionRequest,
    check_contact,
    check_limit,
    read_version,
    write_version,
)
from gateway.storage.statements import count_rows, find_account

_ITEM = "contact, name, groups, subscription, ask, approved"


def roster(db: SqlConnection, account: str) -> Roster:
    """IStore.roster."""
    row, epoch, number, _ = _read_head(db, account)
    items = db.execute(f"SELECT {_ITEM} FROM roster WHERE account = ? ORDER BY contact", (row,))
    return Roster(version=write_version(epoch, number), items=tuple(_read_item(*item) for item in items))


def roster_changes(db: SqlConnection, account: str, since: str) -> tuple[RosterChange, ...] | None:
    """IStore.roster_changes."""
    row, epoch, current, forgotten = _read_head(db, account)
    known = read_version(since, epoch)
    if known is None or not forgotten <= known <= current:
        return None
    changed = db.execute(f"SELECT version, {_ITEM} FROM roster WHERE account = ? AND version > ?", (row, known))
    changes: list[tuple[int, str, RosterItem | None]] = [(number, *_by_contact(*item)) for number, *item in changed]
    changes += db.execute("SELECT version, contact, NULL FROM removals WHERE account = ? AND version > ?", (row, known))
    return tuple(
        RosterChange(version=write_version(epoch, number), contact=contact, item=item)
        for number, contact, item in sorted(changes, key=lambda change: change[0])
    )


def relation(db: SqlConnection, account: str, contact: str) -> Relation:
    """IStore.relation."""
    return _read_relation(db, find_account(db, account), contact)


def update_relation(
    db: SqlConnection, account: str, contact: str, change: Callable[[Relation], Relation], limits: StoreLimits
) -> RelationUpdate:
    """IStore.update_relation."""
    row, epoch, number, _ = _read_head(db, account)
    before = _read_relation(db, row, contact)
    after = change(before)
    check_contact(contact, after)
    limits.check_relation(before, after)
    if after.item != before.item:
        number += 1
        db.execute("UPDATE accounts SET roster_version = ? WHERE id = ?", (number, row))
        _write_item(db, row, contact, after.item, number)
        if after.item is None:
            _note_removal(db, row, contact, number, limits.forgotten_contacts)
        elif before.item is None:
            check_limit("roster items", count_rows(db, "roster", row), limits.roster_items)
    if after.request != before.request:
        _write_request(db, row, contact, after.request)
        if before.request is None:
            check_limit("subscription requests", count_rows(db, "requests", row), limits.requests)
    return RelationUpdate(before=before, after=after, version=write_version(epoch, number))


def requests(db: SqlConnection, account: str) -> tuple[SubscriptionRequest, ...]:
    """IStore.requests."""
    row = find_account(db, account)
    rows = db.execute("SELECT contact, stanza FROM requests WHERE account = ? ORDER BY contact", (row,))
    return tuple(SubscriptionRequest(contact=contact, stanza=stanza) for contact, stanza in rows)


def _read_head(db: SqlConnection, account: str) -> tuple[int, str, int, int]:
    """Return the account's row, and its roster's epoch, version, and the last version whose removals are forgotten."""
    head = db.execute(
        "SELECT id, epoch, roster_version, roster_forgotten FROM accounts WHERE address = ?", (account,)
    ).fetchone()
    if head is None:
        raise NoSuchAccount(account)
    id, epoch, version, forgotten = head
    return id, epoch, version, forgotten


def _read_relation(db: SqlConnection, row: int, contact: str) -> Relation:
    key = (row, contact)
    item = db.execute(f"SELECT {_ITEM} FROM roster WHERE account = ? AND contact = ?", key).fetchone()
    request = db.execute("SELECT stanza FROM requests WHERE account = ? AND contact = ?", key).fetchone()
    return Relation(item=_read_item(*item) if item else None, request=request[0] if request else None)


def _read_item(contact: str, name: str, groups: str, subscription: str, ask: int, approved: int) -> RosterItem:
    return RosterItem(
        contact=contact,
        name=name,
        groups=frozenset(json.loads(groups)),
        subscription=Subscription(subscription),
        ask=bool(ask),
        approved=bool(approved),
    )


def _by_contact(*columns: str | int) -> tuple[str, RosterItem]:
    item = _read_item(*columns)  # type: ignore[arg-type]  # the columns have the types of the schema
    return item.contact, item


def _write_item(db: SqlConnection, row: int, contact: str, item: RosterItem | None, number: int) -> None:
    db.execute("DELETE FROM roster WHERE account = ? AND contact = ?", (row, contact))
    db.execute("DELETE FROM removals WHERE account = ? AND contact = ?", (row, contact))
    if item is not None:
        groups = json.dumps(sorted(item.groups), ensure_ascii=False)
        values = (row, contact, item.name, groups, str(item.subscription), item.ask, item.approved, number)
        db.execute("INSERT INTO roster VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)


def _note_removal(db: SqlConnection, row: int, contact: str, number: int, kept: int) -> None:
    """Record a removal; keep only the last such records, and remember how far back they reach."""
    db.execute("INSERT INTO removals VALUES (?, ?, ?)", (row, contact, number))
    oldest = db.execute(
        "SELECT version FROM removals WHERE account = ? ORDER BY version DESC LIMIT 1 OFFSET ?", (row, kept)
    ).fetchone()
    if oldest:
        db.execute("DELETE FROM removals WHERE account = ? AND version <= ?", (row, *oldest))
        db.execute("UPDATE accounts SET roster_forgotten = ? WHERE id = ?", (*oldest, row))


def _write_request(db: SqlConnection, row: int, contact: str, stanza: bytes | None) -> None:
    db.execute("DELETE FROM requests WHERE account = ? AND contact = ?", (row, contact))
    if stanza is not None:
        db.execute("INSERT INTO requests VALUES (?, ?, ?)", (row, contact, stanza))
