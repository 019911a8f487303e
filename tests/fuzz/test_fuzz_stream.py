"""A short, seeded run of the streams' fuzz; see `tests.fuzz.fuzz_stream` for what is promised."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.fuzz_stream import one_input


@pytest.mark.parametrize("seed", range(5))
def test_mutated_talks_keep_all_promises(seed: int) -> None:
    rng = Random(seed)
    for _ in range(200):
        one_input(rng)
