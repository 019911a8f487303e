"""The outbox in a file: in the caller's thread, in a thread of its own beside the reactor, and with a key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred, execute
from twisted.internet.task import Clock

from gateway.outbox.database import Database
from gateway.outbox.durable import DurableOutbox
from gateway.outbox.opening import open_outbox
from gateway.outbox.records import OutboxLimits
from gateway.outbox.sealing import KEY_BYTES, Seal
from tests.support.reactor import run_in_reactor, running_reactor
from tests.unit.outbox.contract import OutboxContract


class TestDurableOutbox(OutboxContract):
    seal: Seal | None = None

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "outbox.db"

    def open(self, limits: OutboxLimits) -> DurableOutbox:
        outbox = DurableOutbox(Database(self.path, self.seal), run=execute, clock=Clock(), limits=limits)
        outbox.start()
        return outbox


class TestSealedDurableOutbox(TestDurableOutbox):
    seal = Seal(b"k" * KEY_BYTES)


class TestDurableOutboxInItsThread(OutboxContract):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.state = tmp_path

    def open(self, limits: OutboxLimits) -> Any:
        async def scenario() -> Any:
            return open_outbox("sqlite:outbox.db", self.state, running_reactor(), limits=limits)

        return run_in_reactor(scenario)

    def ask(self, method: Callable[..., Deferred[Any]], *args: Any, **kwargs: Any) -> Any:
        async def scenario() -> Any:
            return await method(*args, **kwargs)

        return run_in_reactor(scenario)
