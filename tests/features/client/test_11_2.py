"""Feature 11-2 [roster-set], as a client: contacts are added, changed, removed (RFC 6121 §2.3-§2.5)."""

from __future__ import annotations

import pytest

from gateway.login.messaging import RequestRefused
from gateway.xmpp.addresses import Address
from tests.features.client.test_11_1 import FRIAR, with_friar
from tests.interop.own_logins import staying
from tests.interop.peers import Peer
from tests.interop.world import World
from tests.support.reactor import run_in_reactor


def test_contact_is_added_changed_and_removed_at_each_server(world: World, host: Peer) -> None:
    async def scenario() -> list[object]:
        async with staying(world, f"juliet@{host.site.domains[0]}") as juliet:
            seen: list[object] = []
            await with_friar(juliet)
            for change in (
                lambda: juliet.messaging.set_contact(FRIAR, "Friar Laurence"),
                lambda: juliet.messaging.remove_contact(FRIAR),
            ):
                await change()
                await juliet.messaging.get_roster()
                contact = juliet.messaging.roster.get(FRIAR.bare)
                seen.append(contact and (contact.name, contact.groups))
            return seen

    assert run_in_reactor(scenario) == [("Friar Laurence", frozenset()), None]


def test_refusal_is_told(world: World, house: Peer) -> None:
    async def scenario() -> None:
        async with staying(world, "juliet@im.test") as juliet:
            await juliet.messaging.remove_contact(Address.parse("nobody@elsewhere.test"))

    with pytest.raises(RequestRefused, match="item-not-found"):
        run_in_reactor(scenario)
