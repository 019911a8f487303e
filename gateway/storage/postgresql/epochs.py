"""Epochs: a write by a former owner is refused once a later owner has written.

Of several gateways that share a database, each account has one owner at a time. Ownership has a number, the epoch,
which grows with every owner. A process that was stopped for some time does not know that it lost an account; so each
write carries its epoch, and the database compares.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from gateway.storage.dialects import SqlConnection
from gateway.storage.errors import StaleEpoch


class Lease(NamedTuple):
    """The ownership of a shard of the accounts."""

    shard: int
    epoch: int


LeaseOf: TypeAlias = Callable[[str], Lease | None]
"""Returns the lease under which an account is written; None: there is only one owner, and no epochs."""


def check_lease(db: SqlConnection, lease: Lease) -> None:
    """Record the epoch of a write; raise StaleEpoch when a later one has written.

    The row stays locked until the transaction ends, so that a former owner's write comes before the later one or not
    at all.
    """
    if not lease.epoch:
        raise StaleEpoch(f"this gateway does not own the accounts of shard {lease.shard} at the moment")
    row = db.execute(
        "INSERT INTO account_epochs VALUES (?, ?) ON CONFLICT (shard) DO UPDATE"
        " SET epoch = excluded.epoch WHERE account_epochs.epoch <= excluded.epoch RETURNING epoch",
        lease,
    ).fetchone()
    if row is None:
        raise StaleEpoch(f"the accounts of shard {lease.shard} have a newer owner than that of epoch {lease.epoch}")
