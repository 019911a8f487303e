"""The outbox that forgets."""

from __future__ import annotations

from gateway.outbox.memory import MemoryOutbox
from gateway.outbox.records import OutboxLimits
from tests.unit.outbox.contract import OutboxContract


class TestMemoryOutbox(OutboxContract):
    def open(self, limits: OutboxLimits) -> MemoryOutbox:
        return MemoryOutbox(limits=limits)
