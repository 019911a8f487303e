"""Feature 11-4 [roster-version], as a client: who has the newest version is told nothing again (RFC 6121 §2.6)."""

from __future__ import annotations

from tests.features.client.test_11_1 import FRIAR, with_friar
from tests.interop.own_logins import staying
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor


def test_known_roster_stays_and_changes_are_caught_up_on(world: World, house: Peer) -> None:
    async def scenario() -> tuple[bool, bool]:
        async with staying(world, "juliet@im.test") as juliet:
            await with_friar(juliet)
            await juliet.messaging.get_roster()
            roster, version = juliet.messaging.roster, juliet.messaging.roster_version
            await juliet.messaging.get_roster()
            kept = juliet.messaging.roster is roster
        async with staying(world, "juliet@im.test") as desk:
            await desk.messaging.remove_contact(FRIAR)
        async with staying(world, "juliet@im.test") as again:
            again.messaging.roster, again.messaging.roster_version = dict(roster), version
            await again.messaging.get_roster()
            await again.messaging.get_roster()  # pushes come before the next answer
            return kept, FRIAR.bare in again.messaging.roster

    assert run_in_reactor(scenario) == (True, False)
