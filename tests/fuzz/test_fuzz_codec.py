"""A short, seeded run of the codec's fuzz; see `tests.fuzz.fuzz_codec` for what is promised."""

from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.fuzz_codec import one_input


@pytest.mark.parametrize("seed", range(10))
def test_mutated_bytes_give_items_or_a_stream_error(seed: int) -> None:
    rng = Random(seed)
    for _ in range(300):
        one_input(rng)
