"""Feature 11-3 [roster-push], as a client: changes made elsewhere are taken over and confirmed (RFC 6121 §2.1.6)."""

from __future__ import annotations

from twisted.internet.task import deferLater

from tests.features.client.test_11_1 import FRIAR, with_friar
from tests.interop.own_logins import staying
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor, running_reactor


def test_one_resource_learns_what_another_has_done(world: World, host: Peer) -> None:
    account = f"juliet@{host.site.domains[0]}"

    async def scenario() -> list[bool]:
        async with staying(world, account) as desk, staying(world, account) as phone:
            await phone.messaging.get_roster()
            await with_friar(desk)
            seen = []
            for known in (True, False):
                for _ in range(100):
                    if (FRIAR.bare in phone.messaging.roster) is known:
                        break
                    await deferLater(running_reactor(), 0.05)
                seen.append(FRIAR.bare in phone.messaging.roster)
                if known:
                    await desk.messaging.remove_contact(FRIAR)
            return seen

    assert run_in_reactor(scenario) == [True, False]
