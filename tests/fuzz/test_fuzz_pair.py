"""A short, seeded run of the pairs' fuzz; see `tests.fuzz.fuzz_pair` for what is promised."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.fuzz_pair import one_input


@pytest.mark.parametrize("seed", range(10))
def test_two_streams_over_a_damaging_wire_keep_all_promises(seed: int) -> None:
    rng = Random(seed)
    for _ in range(60):
        one_input(rng)
