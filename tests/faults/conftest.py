"""How much and by which chance: `FAULTS=100000 FAULTS_SEED=7 pytest tests/faults`. In CI it is little."""

from __future__ import annotations

import asyncio
import inspect
import os

import pytest

PER_SECOND = 1500.0  # each way, at most
LEAST_SECONDS = 6  # that faults have to happen in
STANZAS = int(os.environ.get("FAULTS", "3000"))
SEED = int(os.environ.get("FAULTS_SEED", "2026"))


@pytest.fixture(scope="session")
def count() -> int:
    """Return how many stanzas a test sends in all."""
    return STANZAS


@pytest.fixture(scope="session")
def per_second(count: int) -> float:
    """Return how fast each side sends."""
    return min(PER_SECOND, count / 2 / LEAST_SECONDS)


@pytest.fixture(scope="session")
def seed() -> int:
    """Return the seed of all randomness."""
    return SEED


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine, for as long as that many stanzas may take."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    asyncio.run(asyncio.wait_for(pyfuncitem.obj(**arguments), 300 + STANZAS / 50))
    return True
