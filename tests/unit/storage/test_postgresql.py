"""The store on a PostgreSQL server: in the caller's thread, and in its own threads beside the reactor."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from twisted.internet.defer import Deferred, execute, gatherResults

from gateway.storage.opening import open_store
from gateway.storage.postgresql.driver import database_of
from gateway.storage.postgresql.store import PostgresqlStore
from gateway.storage.records import StoreLimits
from tests.support.postgresql import Postgresql
from tests.support.reactor import run_in_reactor, running_reactor
from tests.unit.storage.contract import JULIET, DurableStoreContract, StoreContract, now


class TestPostgresqlStore(DurableStoreContract):
    @pytest.fixture(autouse=True)
    def database(self, postgresql: Postgresql) -> None:
        self.url = postgresql.emptied("accounts")

    def open(self, limits: StoreLimits) -> PostgresqlStore:
        numbers = count()
        return PostgresqlStore(
            database_of(self.url),
            runners=[(execute, lambda: None)] * 2,
            token=lambda: f"epoch{next(numbers)}",
            limits=limits,
        )

    def test_what_an_index_cannot_take_fails_alone(self) -> None:
        """A text that does not compress and is longer than an index row, among the jobs of others."""
        gathered: list[Callable[[], None]] = []

        def later(work: Callable[[], Any]) -> Deferred[Any]:
            done: Deferred[Any] = Deferred()
            gathered.append(lambda: execute(work).chainDeferred(done))
            return done

        store = PostgresqlStore(
            database_of(self.url),
            runners=[(later, lambda: None)],
            token=lambda: "epoch",
            limits=StoreLimits(name_bytes=100_000),
        )
        too_long = Random(1).randbytes(5000).hex()
        added = store.add_account(JULIET, [])  # the others gather behind it
        others = [store.add_offline(JULIET, b"<message/>")]
        refused = store.set_document(JULIET, too_long, b"")
        others.append(store.add_offline(JULIET, b"<message/>"))
        while gathered:
            gathered.pop(0)()
        now(added)
        assert len(now(gatherResults(others))) == 2
        with pytest.raises(psycopg.errors.ProgramLimitExceeded):
            now(refused)
        assert store.fault is None
        closed = store.close()
        while gathered:
            gathered.pop(0)()
        now(closed)

    def test_longest_names_fit_into_every_index(self) -> None:
        store = self.open_for_juliet()
        longest = Random(1).randbytes(10_000).decode("ascii", "ignore").replace("\0", "")[: StoreLimits().name_bytes]
        assert len(longest) == StoreLimits().name_bytes
        now(store.block(JULIET, [longest]))
        now(store.set_document(JULIET, longest, b""))
        now(store.set_value("a" * 253, longest, b""))
        now(store.close())


class TestPostgresqlStoreInItsThreads(StoreContract):
    @pytest.fixture(autouse=True)
    def database(self, postgresql: Postgresql) -> None:
        self.url = postgresql.emptied("accounts")

    def open(self, limits: StoreLimits) -> Any:
        return open_store(self.url, Path(), running_reactor(), limits=limits)

    def ask(self, method: Callable[..., Deferred[Any]], *args: Any, **kwargs: Any) -> Any:
        async def scenario() -> Any:
            return await method(*args, **kwargs)

        return run_in_reactor(scenario)
