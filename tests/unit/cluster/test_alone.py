"""The engine within one process keeps the contract of engines."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.task import Clock

from gateway.cluster.alone import Alone, Hub
from gateway.cluster.interfaces import ICluster
from tests.unit.cluster.contract import Bench, EngineContract


class AloneBench(Bench):
    """A hub, in virtual time."""

    def __init__(self) -> None:
        self._clock = Clock()
        self.hub = Hub(self._clock)

    @property
    def clock(self) -> Clock:
        return self._clock

    async def engine(self, node: str) -> ICluster:
        return Alone(node, self.hub)

    async def until(self, condition: Callable[[], bool], seconds: float = 30) -> None:
        deadline = self._clock.seconds() + seconds
        while not condition():
            assert self._clock.seconds() < deadline, f"not within {seconds} s"
            self._clock.advance(0.01)

    async def cut_off(self, node: str) -> None:
        self.hub.cut_off(node)

    async def heal(self, node: str) -> None:
        self.hub.heal(node)

    async def stop(self) -> None:
        self.hub.go_away()

    async def start(self) -> None:
        self.hub.come_back()


class TestAlone(EngineContract):
    @pytest.fixture
    def bench(self) -> Bench:
        return AloneBench()
