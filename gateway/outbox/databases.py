"""What an outbox needs of its database, whether that is a file or is on a server."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

from gateway.outbox.conditions import Condition
from gateway.outbox.errors import OutboxUnavailable
from gateway.outbox.sealing import Seal, WrongKey
from gateway.storage.dialects import Dialect, SqlConnection
from gateway.xmpp.addresses import Domain, DomainPair


@dataclass(frozen=True, kw_only=True)
class StoredPair:
    """What the database has of a pair; `id` is that of its row."""

    id: int
    pair: DomainPair
    stanzas: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class Opened:
    """An open database, and its content."""

    connection: SqlConnection
    pairs: tuple[StoredPair, ...]
    last_sequence: int
    earliest_expiry: float


class IOutboxDatabase(Protocol):
    """The database of an outbox, which can be opened many times, one after the other.

    All but `condition_of` and `hurry` is called where waiting is allowed.
    """

    seal: Seal | None

    @property
    def dialect(self) -> Dialect:
        """The dialect of its connections."""

    def condition_of(self, error: BaseException) -> tuple[Condition, str]:
        """Return the meaning of an error, and the system's message: of the error, or of its cause."""

    def open(self, not_kept: Collection[int] = ()) -> Opened:
        """Open the database and check that it can be written; raise OutboxUnavailable with what is wrong.

        `not_kept` are chunks that were reported as not written: any that are there are deleted. The first time, stanzas
        that an earlier process has marked as read are settled.
        """

    def look(self, connection: SqlConnection) -> None:
        """Check, outside of any transaction, that the database can be written again; raise an error if not."""

    def make_room(self, connection: SqlConnection) -> None:
        """Give up what was set aside for a full disk, so that kept stanzas can be settled."""

    def empty_log(self, connection: SqlConnection) -> None:
        """Remove delivered stanzas from the log, if there is one."""

    def tidy(self, connection: SqlConnection) -> None:
        """Give free space back, when there is nothing else to do."""

    def hurry(self) -> None:
        """Wait no longer for a database that is away: the outbox is about to be closed."""


def take_stock(connection: SqlConnection) -> Opened:
    """Return an open database with its content."""
    rows = connection.execute(
        "SELECT id, sender, target, coalesce(sum(live), 0), coalesce(sum(bytes), 0)"
        " FROM pair LEFT JOIN chunk ON pair = id GROUP BY id, sender, target"
    )
    pairs = tuple(
        StoredPair(id=id, pair=DomainPair(Domain(sender), Domain(target)), stanzas=int(stanzas), bytes=int(size))
        for id, sender, target, stanzas, size in rows
    )
    last, expiry = connection.execute("SELECT max(sequence), min(expires) FROM chunk").fetchone()
    (last_aside,) = connection.execute("SELECT max(number) FROM aside").fetchone()
    return Opened(
        connection=connection,
        pairs=pairs,
        last_sequence=max(last or 0, (last_aside or 0) >> 6),
        earliest_expiry=float("inf") if expiry is None else expiry,
    )


def condition_within(
    error: BaseException,
    meaning: Callable[[BaseException], tuple[Condition, str] | None],
    otherwise: Condition,
) -> tuple[Condition, str]:
    """Return what an error means, and its message: of the error, or of the first of its causes that has a meaning."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case OutboxUnavailable(condition=condition, detail=detail):
                return condition, detail
            case WrongKey():
                return Condition.WRONG_KEY, str(cause)
        found = meaning(cause)
        if found is not None:
            return found
        cause = cause.__cause__
    return otherwise, str(error)
