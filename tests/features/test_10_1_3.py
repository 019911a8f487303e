"""Feature 10.1-3: the 'from' of a client's stanza is validated or stamped (RFC 6120 §8.1.2.1)."""

from __future__ import annotations

import pytest

from tests.interop.knocking import at_home, sent_away
from tests.interop.peers import Peer
from tests.interop.probe import Probe

SAID = "<message to='juliet@im.test/window'{from_}><body>who?</body></message>"


async def heard(juliet: Probe) -> str | None:
    return (await juliet.element()).get("from")


@pytest.mark.parametrize(
    "claimed", ["", " from='romeo@im.test/garden'", " from='romeo@im.test'", " from='ROMEO@im.test/garden'"]
)
async def test_others_see_the_full_address_whatever_of_it_was_said(house: Peer, claimed: str) -> None:
    async with at_home(house, "juliet", "window") as juliet, at_home(house, "romeo", "garden") as romeo:
        await romeo.type(SAID.format(from_=claimed))
        assert await heard(juliet) == "romeo@im.test/garden"


@pytest.mark.parametrize(
    "claimed",
    ["juliet@im.test/window", "im.test", "romeo@im.test/orchard", "romeo@elsewhere.test", "romeo@im.test/GARDEN", "@"],
)
async def test_h_09_who_claims_to_be_another_is_sent_away_and_not_heard(house: Peer, claimed: str) -> None:
    async with at_home(house, "juliet", "window") as juliet, at_home(house, "romeo", "garden") as romeo:
        await romeo.type(SAID.format(from_=f" from='{claimed}'"))
        assert await sent_away(romeo) == "invalid-from"
        async with at_home(house, "romeo", "garden") as again:
            await again.type(SAID.format(from_=""))
            assert await heard(juliet) == "romeo@im.test/garden"
