"""Two people at one server, and what they may have to do with each other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.xmpp.addresses import Address
from tests.interop.own_logins import Staying, staying
from tests.interop.peers import Peer
from tests.interop.world import World


class Couple:
    """Romeo and Juliet, both online with their rosters."""

    def __init__(self, romeo: Staying, juliet: Staying) -> None:
        self.romeo = romeo
        self.juliet = juliet
        self.romeo_account: Address = romeo.messaging.own.bare_address
        self.juliet_account: Address = juliet.messaging.own.bare_address

    async def request(self) -> None:
        """Romeo asks to see Juliet's presence, and she gets the request."""
        self.romeo.messaging.show(self.juliet_account, "subscribe")
        await self.juliet.expect_presence("subscribe", self.romeo_account.full)

    async def approve(self) -> None:
        """Juliet approves, and Romeo sees her."""
        self.juliet.messaging.show(self.romeo_account, "subscribed")
        await self.romeo.expect_presence("subscribed", self.juliet_account.full)
        await self.romeo.expect_presence(None, self.juliet.messaging.own.full)

    async def states(self) -> tuple[str, str]:
        """The subscription of each with the other, in the rosters as their servers have them."""
        states = []
        for each, other in ((self.romeo, self.juliet_account), (self.juliet, self.romeo_account)):
            each.messaging.roster_version = ""
            await each.messaging.get_roster()
            contact = each.messaging.roster.get(other.full)
            states.append(contact.subscription if contact is not None else "")
        return states[0], states[1]


@asynccontextmanager
async def couple(world: World, host: Peer) -> AsyncIterator[Couple]:
    """Both online, and strangers to each other before and after."""
    domain = host.site.domains[0]
    async with staying(world, f"romeo@{domain}") as romeo, staying(world, f"juliet@{domain}") as juliet:
        pair = Couple(romeo, juliet)
        for each, other in ((romeo, pair.juliet_account), (juliet, pair.romeo_account)):
            await each.messaging.get_roster()
            if other.full in each.messaging.roster:
                await each.messaging.remove_contact(other)
            each.messaging.show()
            await each.expect_presence(None, each.messaging.own.bare)
        try:
            yield pair
        finally:
            for each, other in ((romeo, pair.juliet_account), (juliet, pair.romeo_account)):
                await each.messaging.get_roster()
                if other.full in each.messaging.roster:
                    await each.messaging.remove_contact(other)
