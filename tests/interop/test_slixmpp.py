"""slixmpp at our client doors: every way to log in, rosters, presence, messages, and streams that are resumed.

Two of our users, and one of them with one of Prosody's and of ejabberd's: subscribe both ways, see each other
come and go, chat, go away, and get what was stored.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.interop.clients import PASSWORD, Client, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import CLIENT, CLIENT_TLS
from tests.interop.world import World
from tests.support.throwaway_ca import CLIENT_AUTH, xmpp


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", None])
async def test_password_opens_the_door(house: Peer, mechanism: str | None) -> None:
    async with user(house, "romeo", mechanism=mechanism) as romeo:
        assert romeo.xmpp.boundjid.bare == "romeo@im.test"


async def test_certificate_opens_the_door(house: Peer, world: World) -> None:
    issued = world.authority.issue(xmpp("romeo@im.test"), purposes=[CLIENT_AUTH])
    bundle = world.bundle(issued)
    romeo = user(house, "romeo", mechanism="EXTERNAL")
    romeo.xmpp.ssl_context.load_cert_chain(bundle)
    async with romeo:
        assert romeo.xmpp.boundjid.bare == "romeo@im.test"


async def test_certificate_of_the_server_is_checked_and_direct_tls_will_do(house: Peer, world: World) -> None:
    options = {"authorities": world.authorities, "direct_tls": True}
    async with Client("romeo@im.test", PASSWORD, house.at(CLIENT_TLS), **options) as romeo:  # type: ignore[arg-type]
        assert romeo.xmpp.boundjid.bare == "romeo@im.test"


async def meet(one: Client, other: Client) -> None:
    """Subscribe both ways, and see each other."""
    first, second = one.xmpp.boundjid.bare, other.xmpp.boundjid.bare
    for each in (one, other):
        await each.xmpp.get_roster()
    for each, contact in ((one, second), (other, first)):
        each.send_presence(contact, "subscribe")
    for each, contact in ((one, second), (other, first)):
        await each.expect_presence("subscribe", contact)
        each.send_presence(contact, "subscribed")
    for each, contact in ((one, second), (other, first)):
        await each.expect_presence("subscribed", contact)
        await each.expect_presence("available", contact)


async def converse(home: Peer, one: str, away: Peer, other: str) -> None:
    """The whole story of two people; at the end they are strangers again."""
    async with user(home, one) as romeo:
        async with user(away, other) as juliet:
            there, here = romeo.xmpp.boundjid.bare, juliet.xmpp.boundjid.bare
            await meet(romeo, juliet)
            await romeo.xmpp.get_roster()
            assert romeo.xmpp.client_roster[here]["subscription"] == "both"
            romeo.send_message(here, "But, soft!")
            await juliet.expect_message("But, soft!")
            juliet.send_message(romeo.jid, "Ay me!")
            await romeo.expect_message("Ay me!")
        await romeo.expect_presence("unavailable", here)
        for line in ("She speaks:", "O, speak again, bright angel!"):
            romeo.send_message(here, line)
        # Answered behind the messages: by then they are stored.
        await romeo.request(away.site.domains[0], "<ping xmlns='urn:xmpp:ping'/>")
        async with user(away, other) as juliet:
            await romeo.expect_presence("available", here)
            await juliet.expect_presence("available", there)
            await juliet.expect_message("She speaks:")
            stored = await juliet.expect_message("O, speak again, bright angel!")
            assert stored.xml.find("{urn:xmpp:delay}delay") is not None
        romeo.xmpp.del_roster_item(here)
        await romeo.xmpp.get_roster()


async def test_two_users_of_ours(start: Starter) -> None:
    home = start(Gateway, "verona.test", options={"domains": {"verona.test": {"serve": "im"}}})
    for name in ("romeo", "juliet"):
        home.register(f"{name}@verona.test", PASSWORD)
    await converse(home, "romeo", home, "juliet")


async def test_user_of_ours_with_one_of_another_server(house: Peer, peer: Peer) -> None:
    await converse(house, "romeo", peer, "juliet")


async def test_user_of_another_server_with_one_of_ours(house: Peer, peer: Peer) -> None:
    await converse(peer, "romeo", house, "juliet")


async def test_broken_stream_is_resumed_and_nothing_is_lost(house: Peer) -> None:
    juliet = user(house, "juliet")
    juliet.xmpp.register_plugin("xep_0198")
    async with user(house, "romeo") as romeo, juliet:
        management = juliet.xmpp.plugin["xep_0198"]
        assert management.sm_id
        address = juliet.jid
        romeo.send_message(address, "before")
        await juliet.expect_message("before")
        resumed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        juliet.xmpp.add_event_handler("session_resumed", lambda _: resumed.set_result(None), disposable=True)
        juliet.abort()
        romeo.send_message(address, "meanwhile")
        juliet.xmpp.connect(*house.at(CLIENT))
        await asyncio.wait_for(resumed, 30)
        assert juliet.jid == address
        await juliet.expect_message("meanwhile")
        romeo.send_message(address, "after")
        await juliet.expect_message("after")
        juliet.send_message(romeo.jid, "heard it all")
        await romeo.expect_message("heard it all")
