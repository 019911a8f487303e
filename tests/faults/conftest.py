"""How much and by which chance: `FAULTS=100000 FAULTS_SEED=7 pytest tests/faults`. In CI it is little."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def count() -> int:
    """How many stanzas a test sends in all."""
    return int(os.environ.get("FAULTS", "6000"))


@pytest.fixture(scope="session")
def seed() -> int:
    """What all chance comes from."""
    return int(os.environ.get("FAULTS_SEED", "2026"))
