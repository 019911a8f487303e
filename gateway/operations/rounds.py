"""Rounds: checks that run every few seconds as long as the service runs, whether anybody asks or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

PERIOD = 5.0
"""The seconds between two rounds."""


@dataclass(frozen=True)
class Look:
    """One check, in every round or in one of `every`."""

    look: Callable[[], Any]
    every: int = 1


class Rounds(Service):
    """Run the rounds while the service runs."""

    def __init__(self, looks: Sequence[Look], clock: IReactorTime) -> None:
        self._looks = looks
        self._round = 0
        self._going = LoopingCall(self._go)
        self._going.clock = clock

    def startService(self) -> None:
        super().startService()
        self._going.start(PERIOD, now=False)

    def stopService(self) -> None:
        super().stopService()
        if self._going.running:
            self._going.stop()

    def _go(self) -> None:
        self._round += 1
        for each in self._looks:
            if self._round % each.every == 0:
                each.look()
