"""Components that serve a domain with accounts, played by slixmpp: privileges (XEP-0356) and delegation (XEP-0355).

They are told what they have, use it, and lose it by a reload.
"""

from __future__ import annotations

import asyncio
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest
import tomli_w
from slixmpp import Iq, Message
from slixmpp.exceptions import IqError
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from tests.interop.clients import PASSWORD, Client, Component, condition, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer
from tests.interop.peers.site import CLIENT, COMPONENT, laid_over
from tests.interop.terminal import Terminal
from tests.interop.test_terminal import require

HOME, BRIDGE, SECRET = "privileges.test", "bridge.privileges.test", "secret"
SHELF, PUBSUB = "shelf.privileges.test", "http://jabber.org/protocol/pubsub"
DELEGATION, FORWARD, CLIENT_NS = "urn:xmpp:delegation:2", "urn:xmpp:forward:0", "jabber:client"
GRANTED = {
    "roster": "both",
    "message": "outgoing",
    "presence": "roster",
    "iq": {"jabber:iq:version": "get", "jabber:iq:private": "both"},
}


@pytest.fixture(scope="module")
def home(start_all: Starter) -> Peer:
    domains = {
        HOME: {"serve": "im"},
        BRIDGE: {"privileges": {HOME: GRANTED}},
        SHELF: {"name": "A shelf for what people publish", "delegations": {HOME: {"namespaces": {PUBSUB: []}}}},
    }
    home = start_all(Gateway, HOME, components={BRIDGE: SECRET, SHELF: SECRET}, options={"domains": domains})
    for name in ("romeo", "juliet"):
        home.register(f"{name}@{HOME}", PASSWORD)
    return home


def bridge(home: Peer) -> Component:
    component = Component(BRIDGE, SECRET, home.at(COMPONENT))
    component.xmpp.register_plugin("xep_0356")
    component.told = asyncio.Event()  # type: ignore[attr-defined]
    component.xmpp.add_event_handler("privileges_advertised", lambda _: component.told.set())  # type: ignore[attr-defined]
    return component


async def test_it_is_told_and_puts_its_contacts_into_rosters(home: Peer) -> None:
    contact = f"contact@{BRIDGE}"
    async with user(home, "romeo") as romeo, bridge(home) as component:
        await asyncio.wait_for(component.told.wait(), 30)  # type: ignore[attr-defined]
        await romeo.xmpp.get_roster()
        pushed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        romeo.xmpp.add_event_handler("roster_update", lambda _: pushed.done() or pushed.set_result(None))
        plugin, owner = component.xmpp.plugin["xep_0356"], romeo.xmpp.boundjid.bare
        item = {contact: {"name": "A contact", "subscription": "both", "groups": ["Bridge"]}}
        await plugin.set_roster(owner, item)
        await asyncio.wait_for(pushed, 30)
        assert romeo.xmpp.client_roster[contact]["subscription"] == "both"
        answer = await plugin.get_roster(owner)
        assert answer["roster"]["items"][contact]["name"] == "A contact"
        component.send_presence(romeo.jid, sender=f"{contact}/phone")
        await romeo.expect_presence("available", contact)


async def test_it_sends_in_the_name_of_a_user_whose_other_clients_see_it(home: Peer) -> None:
    contact = f"contact@{BRIDGE}"
    async with user(home, "romeo") as romeo, bridge(home) as component:
        await asyncio.wait_for(component.told.wait(), 30)  # type: ignore[attr-defined]
        romeo.xmpp.register_plugin("xep_0280")
        await romeo.xmpp.plugin["xep_0280"].enable()
        copies: asyncio.Queue[Message] = asyncio.Queue()
        romeo.xmpp.add_event_handler("carbon_sent", copies.put_nowait)
        sent = Message()
        sent["from"], sent["to"], sent["type"], sent["body"] = romeo.xmpp.boundjid.bare, contact, "chat", "elsewhere"
        component.xmpp.plugin["xep_0356"].send_privileged_message(sent)
        copy = await asyncio.wait_for(copies.get(), 30)
        assert copy["carbon_sent"]["body"] == "elsewhere"
        heard = await component.expect_message("elsewhere")
        assert heard["from"] == romeo.xmpp.boundjid.bare


async def test_it_asks_in_the_name_of_a_user(home: Peer) -> None:
    async with user(home, "romeo") as romeo, user(home, "juliet") as juliet, bridge(home) as component:
        await asyncio.wait_for(component.told.wait(), 30)  # type: ignore[attr-defined]
        juliet.xmpp.register_plugin("xep_0092")
        plugin = component.xmpp.plugin["xep_0356"]

        version = Iq(stype="get", sfrom=romeo.xmpp.boundjid.bare, sto=juliet.jid)
        version.append(ElementTree.fromstring("<query xmlns='jabber:iq:version'/>"))
        answer = await plugin.send_privileged_iq(version)
        assert answer.xml.find("{jabber:iq:version}query/{jabber:iq:version}name") is not None
        with pytest.raises(IqError) as refused:
            await component.request(juliet.jid, "<query xmlns='jabber:iq:roster'/>")
        assert condition(refused.value.iq) in ("service-unavailable", "feature-not-implemented", "forbidden")


async def test_it_sees_users_come_and_go_also_those_who_were_there_before(home: Peer) -> None:
    async with user(home, "juliet") as juliet, bridge(home) as component:
        await component.expect_presence("available", juliet.xmpp.boundjid.bare)
        async with user(home, "romeo") as romeo:
            bare = romeo.xmpp.boundjid.bare
            await component.expect_presence("available", bare)
        await component.expect_presence("unavailable", bare)


class Shelf(Component):
    """Answers for PubSub in place of the domain, with what it was asked."""

    def __init__(self, home: Peer) -> None:
        super().__init__(SHELF, SECRET, home.at(COMPONENT))
        xmpp = self.xmpp
        for between in ("::", ":bare:"):
            node = f"{DELEGATION}{between}{PUBSUB}"
            xmpp.plugin["xep_0030"].add_feature(f"{PUBSUB}#publish", node=node, jid=SHELF)
            xmpp.plugin["xep_0030"].add_identity("pubsub", "pep", node=node, jid=SHELF)
        xmpp.register_handler(
            Callback("delegated", MatchXPath(f"{{jabber:component:accept}}iq/{{{DELEGATION}}}delegation"), self._answer)
        )

    def _answer(self, iq: Iq) -> None:
        inside = iq.xml.find(f"{{{DELEGATION}}}delegation/{{{FORWARD}}}forwarded/{{{CLIENT_NS}}}iq")
        assert inside is not None
        payload = "".join(ElementTree.tostring(each, "unicode") for each in inside)
        wrapped = (
            f"<delegation xmlns='{DELEGATION}'><forwarded xmlns='{FORWARD}'>"
            f"<iq xmlns='{CLIENT_NS}' type='result' id='{inside.get('id')}' to='{inside.get('from')}'>{payload}</iq>"
            "</forwarded></delegation>"
        )
        answer = self.xmpp.make_iq_result(iq["id"], ito=iq["from"], ifrom=SHELF)
        answer.append(ElementTree.fromstring(wrapped))
        answer.send()

    async def told(self) -> list[str]:
        """Return the namespaces in the next message about delegation."""
        message = await self.expect(lambda each: each.xml.find(f"{{{DELEGATION}}}delegation") is not None)
        assert message["from"] == HOME
        return [each.get("namespace") for each in message.xml.iter(f"{{{DELEGATION}}}delegated")]


async def test_a_user_finds_every_component_in_the_service_browser(home: Peer) -> None:
    async with user(home, "romeo") as romeo, bridge(home) as component, Shelf(home):
        component.xmpp.plugin["xep_0030"].add_identity("gateway", "test", "A bridge")
        found = {}
        items = await romeo.xmpp.plugin["xep_0030"].get_items(romeo.xmpp.boundjid.domain)
        for jid, _, name in items["disco_items"]["items"]:
            found[str(jid)] = (name, await discovered(romeo, str(jid)))
        assert found.keys() == {BRIDGE, SHELF}
        assert found[SHELF][0] == "A shelf for what people publish"
        assert "gateway/test" in found[BRIDGE][1]


async def test_a_user_of_profanity_finds_them_too(home: Peer, tmp_path: Path) -> None:
    require("profanity", "tmux")
    async with (
        bridge(home) as component,
        Shelf(home),
        Terminal(tmp_path / "juliet", f"juliet@{HOME}", PASSWORD, home.at(CLIENT)) as juliet,
    ):
        component.xmpp.plugin["xep_0030"].add_identity("gateway", "test", "A bridge")
        juliet.type(f"/disco items {HOME}")
        for each in (SHELF, BRIDGE):
            await juliet.shows(each)
        juliet.type(f"/disco info {BRIDGE}")
        await juliet.shows("A bridge")


async def discovered(romeo: Client, to: str) -> set[str]:
    """Return the features and identities that discovery shows a user."""
    info = (await romeo.xmpp.plugin["xep_0030"].get_info(to, cached=False))["disco_info"]
    return {*info["features"], *("/".join(each[:2]) for each in info["identities"])}


async def test_a_component_answers_in_place_of_the_domain_and_of_accounts(home: Peer) -> None:
    async with user(home, "romeo") as romeo, Shelf(home) as shelf:
        assert await shelf.told() == [PUBSUB]
        payload = f"<pubsub xmlns='{PUBSUB}'><items node='urn:xmpp:microblog:0'/></pubsub>"
        for to in (HOME, romeo.xmpp.boundjid.bare, f"juliet@{HOME}"):
            answer = await romeo.request(to, payload)
            assert answer["from"] == to
            assert answer.xml.find(f"{{{PUBSUB}}}pubsub/{{{PUBSUB}}}items") is not None
        for to in (HOME, romeo.xmpp.boundjid.bare):
            async with asyncio.timeout(30):
                while f"{PUBSUB}#publish" not in (shown := await discovered(romeo, to)):
                    await asyncio.sleep(0.1)
            assert "pubsub/pep" in shown
    async with user(home, "romeo") as romeo:
        with pytest.raises(IqError) as refused:
            await romeo.request(HOME, payload)
        assert condition(refused.value.iq) == "service-unavailable"
        assert f"{PUBSUB}#publish" not in await discovered(romeo, HOME)


async def test_reload_takes_privileges_and_delegation_away_and_tells_that(home: Peer) -> None:
    file = home.configuration  # type: ignore[attr-defined]
    before = file.read_text()
    async with bridge(home) as component, Shelf(home) as shelf:
        assert await shelf.told() == [PUBSUB]
        await asyncio.wait_for(component.told.wait(), 30)  # type: ignore[attr-defined]
        component.told.clear()  # type: ignore[attr-defined]
        try:
            changed = tomllib.loads(before)
            changed["domains"][BRIDGE]["privileges"] = {}
            changed["domains"][SHELF]["delegations"] = {}
            file.write_text(tomli_w.dumps(laid_over(changed, {})))
            await asyncio.to_thread(home.operate, "reload")  # type: ignore[attr-defined]
            await asyncio.wait_for(component.told.wait(), 30)  # type: ignore[attr-defined]
            with pytest.raises(IqError) as refused:
                await component.request(f"romeo@{HOME}", "<query xmlns='jabber:iq:roster'/>")
            assert condition(refused.value.iq) == "forbidden"
            assert await shelf.told() == []
        finally:
            file.write_text(before)
            await asyncio.to_thread(home.operate, "reload")  # type: ignore[attr-defined]
