"""A bridge with privileges behind a domain with accounts, as docs/slidge.md prints it: contacts, messages, rooms.

The bridge is slidge, with superduper for the other network. Its users have accounts with us, at Prosody or at ejabberd;
only in the rosters of our own it may write.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest

from tests.interop.clients import PASSWORD, Client, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.slidge import Slidge, source
from tests.support.pages import block, domains

HOME, BRIDGE = "example.com", "slidge.example.com"
COMMANDS, FORMS = "http://jabber.org/protocol/commands", "jabber:x:data"
CONTACT = f"111@{BRIDGE}"


@pytest.fixture(scope="module")
def home(start_all: Starter) -> Iterator[Peer]:
    """A gateway with accounts, and slidge attached to it."""
    try:
        source()
    except OSError as problem:
        (pytest.fail if os.environ.get("XMPP_GATEWAY_INTEROP") == "require" else pytest.skip)(str(problem))
    home = start_all(Gateway, HOME, components={BRIDGE: "secret"}, options={"domains": domains("slidge.md")})
    home.register(f"romeo@{HOME}", PASSWORD)
    with Slidge(home, block("slidge.md", "ini"), home.folder / "slidge"):
        yield home


async def command(client: Client, session: str | None, fields: dict[str, str]) -> ElementTree.Element:
    """Take one step of the command that registers a user; return the command in the answer."""
    more = f" sessionid='{session}'" if session else ""
    form = "".join(f"<field var='{var}'><value>{value}</value></field>" for var, value in fields.items())
    x = f"<x xmlns='{FORMS}' type='submit'>{form}</x>" if fields else ""
    action = "next" if fields else "execute"
    asked = f"<command xmlns='{COMMANDS}' node='jabber:iq:register' action='{action}'{more}>{x}</command>"
    answer = await client.request(BRIDGE, asked, "set")
    found = answer.xml.find(f"{{{COMMANDS}}}command")
    assert found is not None
    return found


async def register(client: Client) -> None:
    """Become a user of the bridge: a name, a code, and the preferences as they are offered."""
    step = await command(client, None, {})
    session = step.get("sessionid")
    await command(client, session, {"username": "slidger", "password": "any"})
    step = await command(client, session, {"code": "666"})
    while step.get("status") != "completed":
        offered = step.iter(f"{{{FORMS}}}field")
        values = {each.get("var", ""): each.findtext(f"{{{FORMS}}}value", "") for each in offered}
        step = await command(client, session, {var: value for var, value in values.items() if var})


async def join(client: Client, room: str) -> None:
    """Enter a room, and see somebody who is there."""
    presence = client.xmpp.make_presence(pto=f"{room}/slidger")
    presence.append(ElementTree.fromstring("<x xmlns='http://jabber.org/protocol/muc'/>"))
    presence.send()
    await client.expect(lambda stanza: stanza.name == "presence" and str(stanza["from"]) == f"{room}/Baba")


async def test_a_user_of_ours_has_contacts_messages_and_rooms(home: Peer) -> None:
    async with user(home, "romeo") as romeo:
        await romeo.xmpp.get_roster()
        await register(romeo)
        await romeo.expect_message("Hey!")
        async with asyncio.timeout(60):
            while romeo.xmpp.client_roster[CONTACT]["subscription"] != "both":
                await asyncio.sleep(0.1)
        assert romeo.xmpp.client_roster[CONTACT]["name"] == "Baba"
        romeo.send_message(CONTACT, "How now!")
        await romeo.expect_message("A reply")
        await join(romeo, f"aaa@{BRIDGE}")
        romeo.send_message(f"aaa@{BRIDGE}", "Good morrow to you both", kind="groupchat")
        assert (await romeo.expect_message("Good morrow to you both"))["from"].bare == f"aaa@{BRIDGE}"
        assert "subscribe" not in {each["type"] for each in romeo.inbox if each.name == "presence"}


async def test_a_user_of_another_server_has_messages_and_rooms(home: Peer, peer: Peer) -> None:
    async with user(peer, "juliet") as juliet:
        await register(juliet)
        await juliet.expect_message("Hey!")
        juliet.send_message(CONTACT, "What's in a name?")
        await juliet.expect_message("A reply")
        await join(juliet, f"aaa@{BRIDGE}")


async def test_the_bridge_is_found_in_the_service_browser(home: Peer) -> None:
    async with user(home, "romeo") as romeo:
        items = await romeo.xmpp.plugin["xep_0030"].get_items(jid=HOME)
        assert BRIDGE in {jid for jid, _, _ in items["disco_items"]["items"]}
        info = await romeo.xmpp.plugin["xep_0030"].get_info(jid=BRIDGE)
        assert {("gateway", "whatsapp")} <= {
            (category, kind) for category, kind, *_ in info["disco_info"]["identities"]
        }
