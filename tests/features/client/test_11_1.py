"""Features of rosters, as a client; row 11-1 [roster-get]: the roster is asked for and read (RFC 6121 §2.2)."""

from __future__ import annotations

from gateway.login.messaging import Contact
from gateway.xmpp.addresses import Address
from tests.interop.own_logins import Staying, staying
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor

FRIAR = Address.parse("friar@elsewhere.test")


async def with_friar(stay: Staying) -> None:
    await stay.messaging.get_roster()
    await stay.messaging.set_contact(FRIAR, "Laurence", "Friends", "Confessors")


def test_what_was_added_is_there_at_each_server(world: World, host: Peer) -> None:
    async def scenario() -> Contact | None:
        async with staying(world, f"juliet@{host.site.domains[0]}") as juliet:
            await with_friar(juliet)
            juliet.messaging.roster.clear()
            juliet.messaging.roster_version = ""
            await juliet.messaging.get_roster()
            found = juliet.messaging.roster.get(FRIAR.bare)
            await juliet.messaging.remove_contact(FRIAR)
            return found

    assert run_in_reactor(scenario) == Contact(
        address=FRIAR.bare,
        name="Laurence",
        subscription="none",
        asked=False,
        groups=frozenset({"Friends", "Confessors"}),
    )
