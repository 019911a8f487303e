"""Feature 7-4: a stream has one resource (RFC 6120 §7.1 has dropped more): a second bind is not allowed, and harms
nothing.
"""

from __future__ import annotations

from tests.interop.knocking import at_home, bind, condition
from tests.interop.peers import Peer


async def test_second_bind_is_not_allowed(house: Peer) -> None:
    async with at_home(house, "romeo", "garden") as probe:
        answer = await bind(probe, "orchard")
        assert (answer.get("type"), condition(answer)) == ("error", "not-allowed")
        await probe.type("<presence/>")
        assert (await probe.element()).get("from") == "romeo@im.test/garden"
