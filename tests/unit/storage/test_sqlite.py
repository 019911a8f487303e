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
from tests.unit.storage.contract import DurableStoreContract, StoreContract


class TestSqliteStore(DurableStoreContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "gateway.db"

    def open(self, limits: StoreLimits) -> SqliteStore:
        numbers = count()
        return SqliteStore(open_file(self.path), run=execute, token=lambda: f"epoch{next(numbers)}", limits=limits)


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
