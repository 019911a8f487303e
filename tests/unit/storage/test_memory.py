"""The store in memory."""

from __future__ import annotations

from itertools import count

from gateway.storage.memory import MemoryStore
from gateway.storage.records import StoreLimits
from tests.unit.storage.contract import StoreContract


class TestMemoryStore(StoreContract):
    def open(self, limits: StoreLimits) -> MemoryStore:
        numbers = count()
        return MemoryStore(token=lambda: f"epoch{next(numbers)}", limits=limits)
