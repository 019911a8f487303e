"""The SQL of accounts, offline messages, blocking lists and documents: functions over a connection.

Each runs inside the caller's transaction, and the caller undoes it when it raises.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from gateway.sasl.keys import ScramHash, ScramKeys
from gateway.storage.dialects import SqlConnection
from gateway.storage.errors import AccountExists, NoSuchAccount
from gateway.storage.records import OfflineMessage, StoreLimits, check_limit


def touch(db: SqlConnection) -> None:
    """Write the number of the schema unchanged: a write to the file that changes nothing."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    db.execute(f"PRAGMA user_version = {version}")


def find_account(db: SqlConnection, account: str) -> int:
    """Return the row of an account; raise NoSuchAccount if there is none."""
    row = db.execute("SELECT id FROM accounts WHERE address = ?", (account,)).fetchone()
    if row is None:
        raise NoSuchAccount(account)
    return int(row[0])


def count_rows(db: SqlConnection, table: str, row: int) -> int:
    """Return how many rows of a table belong to an account."""
    return int(db.execute(f"SELECT count(*) FROM {table} WHERE account = ?", (row,)).fetchone()[0])


def add_account(db: SqlConnection, account: str, keys: Collection[ScramKeys], epoch: str) -> None:
    """IStore.add_account."""
    added = db.execute(
        "INSERT INTO accounts (address, epoch) VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING id", (account, epoch)
    ).fetchone()
    if added is None:
        raise AccountExists(account)
    _insert_keys(db, added[0], keys)


def delete_account(db: SqlConnection, account: str) -> None:
    """Do IStore.delete_account; everything that refers to the row is deleted with it."""
    db.execute("DELETE FROM accounts WHERE id = ?", (find_account(db, account),))


def has_account(db: SqlConnection, account: str) -> bool:
    """IStore.has_account."""
    return db.execute("SELECT 1 FROM accounts WHERE address = ?", (account,)).fetchone() is not None


def accounts(db: SqlConnection, domain: str | None) -> tuple[str, ...]:
    """IStore.accounts."""
    rows = db.execute("SELECT address FROM accounts ORDER BY address")
    return tuple(address for (address,) in rows if domain is None or address.partition("@")[2] == domain)


def keys(db: SqlConnection, account: str, hashes: Sequence[ScramHash]) -> ScramKeys | None:
    """IStore.keys."""
    rows = db.execute(
        "SELECT hash, salt, iterations, stored_key, server_key FROM keys"
        " WHERE account = (SELECT id FROM accounts WHERE address = ?)",
        (account,),
    )
    found = {row[0]: row for row in rows}
    return next((_read_keys(*found[hash]) for hash in hashes if hash in found), None)


def set_keys(db: SqlConnection, account: str, keys: Collection[ScramKeys]) -> None:
    """IStore.set_keys."""
    row = find_account(db, account)
    db.execute("DELETE FROM keys WHERE account = ?", (row,))
    _insert_keys(db, row, keys)


def add_offline(db: SqlConnection, account: str, stanza: bytes, limits: StoreLimits) -> int:
    """IStore.add_offline."""
    row = find_account(db, account)
    count, size = db.execute(
        "SELECT count(*), coalesce(sum(bytes), 0) FROM offline WHERE account = ?", (row,)
    ).fetchone()
    check_limit("offline messages", count + 1, limits.offline_messages)
    check_limit("bytes of offline messages", int(size) + len(stanza), limits.offline_bytes)
    added = db.execute(
        "INSERT INTO offline (account, bytes, stanza) VALUES (?, ?, ?) RETURNING id", (row, len(stanza), stanza)
    )
    return int(added.fetchone()[0])


def offline(db: SqlConnection, account: str, after: int, limit: int) -> tuple[OfflineMessage, ...]:
    """IStore.offline."""
    rows = db.execute(
        "SELECT id, stanza FROM offline WHERE account = ? AND id > ? ORDER BY id LIMIT ?",
        (find_account(db, account), after, limit),
    )
    return tuple(OfflineMessage(id=id, stanza=stanza) for id, stanza in rows)


def remove_offline(db: SqlConnection, account: str, ids: Collection[int]) -> None:
    """IStore.remove_offline."""
    row = find_account(db, account)
    db.executemany("DELETE FROM offline WHERE account = ? AND id = ?", ((row, id) for id in ids))


def blocked(db: SqlConnection, account: str) -> frozenset[str]:
    """IStore.blocked."""
    rows = db.execute("SELECT address FROM blocked WHERE account = ?", (find_account(db, account),))
    return frozenset(address for (address,) in rows)


def block(db: SqlConnection, account: str, addresses: Collection[str], limits: StoreLimits) -> None:
    """IStore.block."""
    row = find_account(db, account)
    for address in addresses:
        limits.check_name("blocked address", address)
    db.executemany(
        "INSERT INTO blocked VALUES (?, ?) ON CONFLICT DO NOTHING", ((row, address) for address in addresses)
    )
    check_limit("blocked addresses", count_rows(db, "blocked", row), limits.blocked)


def unblock(db: SqlConnection, account: str, addresses: Collection[str] | None) -> None:
    """IStore.unblock."""
    row = find_account(db, account)
    if addresses is None:
        db.execute("DELETE FROM blocked WHERE account = ?", (row,))
    else:
        rows = ((row, address) for address in addresses)
        db.executemany("DELETE FROM blocked WHERE account = ? AND address = ?", rows)


def document(db: SqlConnection, account: str, name: str) -> bytes | None:
    """IStore.document."""
    row = find_account(db, account)
    found = db.execute("SELECT content FROM documents WHERE account = ? AND name = ?", (row, name)).fetchone()
    return None if found is None else found[0]


def set_document(db: SqlConnection, account: str, name: str, content: bytes | None, limits: StoreLimits) -> None:
    """IStore.set_document."""
    row = find_account(db, account)
    db.execute("DELETE FROM documents WHERE account = ? AND name = ?", (row, name))
    if content is not None:
        limits.check_name("document", name)
        check_limit("bytes in a document", len(content) + len(name.encode()), limits.document_bytes)
        db.execute("INSERT INTO documents VALUES (?, ?, ?)", (row, name, content))
        check_limit("documents", count_rows(db, "documents", row), limits.documents)


def value(db: SqlConnection, service: str, key: str) -> bytes | None:
    """IStore.value."""
    found = db.execute("SELECT content FROM service_values WHERE service = ? AND key = ?", (service, key)).fetchone()
    return None if found is None else found[0]


def set_value(db: SqlConnection, service: str, key: str, content: bytes | None, limits: StoreLimits) -> None:
    """IStore.set_value."""
    db.execute("DELETE FROM service_values WHERE service = ? AND key = ?", (service, key))
    if content is not None:
        (others,) = db.execute("SELECT count(*) FROM service_values WHERE service = ?", (service,)).fetchone()
        limits.check_value(key, content, others + 1)
        db.execute("INSERT INTO service_values VALUES (?, ?, ?)", (service, key, content))


def values(db: SqlConnection, service: str, prefix: str) -> dict[str, bytes]:
    """IStore.values."""
    rows = db.execute(
        "SELECT key, content FROM service_values WHERE service = ? AND substr(key, 1, ?) = ? ORDER BY key",
        (service, len(prefix), prefix),
    )
    return dict(rows.fetchall())


def _insert_keys(db: SqlConnection, row: int, keys: Collection[ScramKeys]) -> None:
    by_hash = {key.hash: key for key in keys}
    db.executemany(
        "INSERT INTO keys VALUES (?, ?, ?, ?, ?, ?)",
        (
            (row, str(each.hash), each.salt, each.iterations, each.stored_key, each.server_key)
            for each in by_hash.values()
        ),
    )


def _read_keys(hash: str, salt: bytes, iterations: int, stored_key: bytes, server_key: bytes) -> ScramKeys:
    return ScramKeys(
        hash=ScramHash(hash), salt=salt, iterations=iterations, stored_key=stored_key, server_key=server_key
    )
