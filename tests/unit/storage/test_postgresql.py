"""The store on a PostgreSQL server: in the caller's thread, and in threads of its own beside the reactor."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute

from gateway.storage.opening import open_store
from gateway.storage.postgresql.driver import database_of
from gateway.storage.postgresql.store import PostgresqlStore
from gateway.storage.records import StoreLimits
from tests.support.postgresql import Postgresql
from tests.support.reactor import run_in_reactor, running_reactor
from tests.unit.storage.contract import JULIET, SHA_256, StoreContract, now


class TestPostgresqlStore(StoreContract):
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

    def test_everything_is_there_after_closing_and_opening(self) -> None:
        store = self.open_for_juliet()
        now(store.add_offline(JULIET, b"<message/>"))
        now(store.block(JULIET, ["spam.example"]))
        version = self.version(store)
        now(store.close())
        again = self.open(StoreLimits())
        assert now(again.keys(JULIET, [SHA_256.hash])) == SHA_256
        assert [message.stanza for message in now(again.offline(JULIET))] == [b"<message/>"]
        assert now(again.blocked(JULIET)) == {"spam.example"}
        assert self.version(again) == version
        now(again.close())


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
