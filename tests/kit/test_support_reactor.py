"""The tests' own reactor helper: results, exceptions and timeouts reach the test."""

from __future__ import annotations

import threading

import pytest
from twisted.internet import defer
from twisted.internet.task import deferLater

from tests.support.reactor import run_in_reactor, running_reactor


def test_result_comes_back_from_the_reactor_thread() -> None:
    async def scenario() -> threading.Thread:
        await deferLater(running_reactor(), 0)
        return threading.current_thread()

    assert run_in_reactor(scenario) is not threading.current_thread()


def test_exception_comes_back_as_itself() -> None:
    async def scenario() -> None:
        await deferLater(running_reactor(), 0)
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        run_in_reactor(scenario)


def test_timeout_cancels_the_scenario() -> None:
    ends: list[str] = []

    async def scenario() -> None:
        try:
            await defer.Deferred()
        finally:
            ends.append("cancelled")

    with pytest.raises(TimeoutError):
        run_in_reactor(scenario, timeout=0.01)
    assert ends == ["cancelled"]
