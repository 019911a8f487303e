"""The store in a file: in the caller's thread, and in its own thread beside the reactor."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute

from gateway.storage.files import open_file
from gateway.storage.opening import open_store
from gateway.storage.records import StoreLimits
from gateway.storage.sqlite import SqliteStore
from tests.support.reactor import run_in_reactor, running_reactor
from tests.unit.storage.contract import JULIET, SHA_256, StoreContract, now


class TestSqliteStore(StoreContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "gateway.db"

    def open(self, limits: StoreLimits) -> SqliteStore:
        numbers = count()
        return SqliteStore(open_file(self.path), run=execute, token=lambda: f"epoch{next(numbers)}", limits=limits)

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


class TestSqliteStoreInItsThread(StoreContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.state = tmp_path

    def open(self, limits: StoreLimits) -> Any:
        return open_store("sqlite:gateway.db", self.state, running_reactor(), limits=limits)

    def ask(self, method: Callable[..., Deferred[Any]], *args: Any, **kwargs: Any) -> Any:
        async def scenario() -> Any:
            return await method(*args, **kwargs)

        return run_in_reactor(scenario)
