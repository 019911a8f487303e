"""Feature 7-3: a resource that the client leaves to the server is made by it, beyond guessing (RFC 6120 §7.6)."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64decode
from itertools import pairwise

from tests.interop.knocking import at_home
from tests.interop.peers import Peer


async def made(house: Peer) -> str:
    async with at_home(house, "romeo") as probe:
        return probe.address.partition("/")[2]  # type: ignore[attr-defined]


async def test_made_resources_differ_and_hold_160_random_bits(house: Peer) -> None:
    resources = await asyncio.gather(*(made(house) for _ in range(10)))
    assert len(set(resources)) == 10
    raw = [urlsafe_b64decode(resource + "=") for resource in resources]
    assert all(len(each) == 20 for each in raw)
    # A counter or a clock would share most of its bits from one to the next.
    pairs = pairwise(raw)
    assert all(sum((a ^ b).bit_count() for a, b in zip(*pair, strict=True)) > 40 for pair in pairs)
