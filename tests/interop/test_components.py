"""A component behind us and a user of another server: messages, presence and iq, each way round.

The component is slixmpp's ComponentXMPP, a real library from outside (XEP-0114).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from slixmpp.exceptions import IqError

from tests.interop.clients import Client, Component, attached, condition, user
from tests.interop.peers import Peer
from tests.interop.world import World

NURSE = "nurse@component.gateway.test"
PING = "<ping xmlns='urn:xmpp:ping'/>"
VERSION = "<query xmlns='jabber:iq:version'/>"
DISCO = "{http://jabber.org/protocol/disco#info}"
DISCO_INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"


@asynccontextmanager
async def together(gateway: Peer, peer: Peer, name: str = "romeo") -> AsyncIterator[tuple[Component, Client]]:
    """The component attached to us, and a user over there."""
    async with attached(gateway) as component, user(peer, name) as person:
        yield component, person


# Messages.


async def test_messages_pass_both_ways(gateway: Peer, peer: Peer) -> None:
    async with together(gateway, peer) as (component, romeo):
        romeo.send_message(NURSE, "Commend me to thy lady")
        heard = await component.expect_message("Commend me to thy lady")
        assert (str(heard["from"]), heard["to"]) == (romeo.jid, NURSE)
        component.send_message(romeo.jid, "I will tell her as much", sender=f"{NURSE}/garden")
        heard = await romeo.expect_message("I will tell her as much")
        assert heard["from"] == f"{NURSE}/garden"


@pytest.mark.parametrize("address", ["component.gateway.test", "a.nurse@component.gateway.test/1", NURSE])
async def test_every_address_of_the_domain_is_the_components(gateway: Peer, peer: Peer, address: str) -> None:
    async with together(gateway, peer) as (component, romeo):
        romeo.send_message(address, "Peter!")
        heard = await component.expect_message("Peter!")
        assert heard["to"] == address
        component.send_message(romeo.jid, "Anon!", sender=address)
        assert (await romeo.expect_message("Anon!"))["from"] == address


async def test_subdomains_are_the_components_too(world: World, gateway: Peer, peer: Peer) -> None:
    world.nameserver.publish(gateway.address, "rooms.component.gateway.test")
    async with together(gateway, peer) as (component, romeo):
        romeo.send_message("hall@rooms.component.gateway.test", "Is the feast here?")
        heard = await component.expect_message("Is the feast here?")
        component.send_message(romeo.jid, "It is", sender=str(heard["to"]))
        assert (await romeo.expect_message("It is"))["from"] == "hall@rooms.component.gateway.test"


async def test_many_messages_arrive_complete_and_in_order(gateway: Peer, peer: Peer) -> None:
    async with together(gateway, peer) as (component, romeo):
        bodies = [f"Adieu {number}" for number in range(100)]
        for body in bodies:
            component.send_message(romeo.jid, body)
        heard = [(await romeo.expect_any_message())["body"] for _ in bodies]
        assert heard == bodies
        for body in bodies:
            romeo.send_message(NURSE, body)
        assert [(await component.expect_any_message())["body"] for _ in bodies] == bodies


async def test_who_is_not_there_is_reported_both_ways(gateway: Peer, peer: Peer) -> None:
    async with together(gateway, peer) as (component, romeo):
        lost = component.send_message(f"tybalt@{peer.site.domains[0]}", "Art thou there?")
        assert await component.expect_error(lost) == "service-unavailable"
    async with user(peer, "romeo") as romeo:  # and the component is gone
        lost = romeo.send_message(NURSE, "Art thou there?")
        assert await romeo.expect_error(lost) == "remote-server-timeout"


# Presence.


async def test_a_user_subscribes_to_somebody_at_the_component(gateway: Peer, peer: Peer) -> None:
    async with together(gateway, peer) as (component, romeo):
        bare = romeo.xmpp.boundjid.bare
        await romeo.xmpp.get_roster()  # only resources that asked for the roster get its changes
        romeo.xmpp.send_presence_subscription(NURSE)
        await component.expect_presence("subscribe", bare)
        component.send_presence(bare, "subscribed", sender=NURSE)
        await romeo.expect_presence("subscribed", NURSE)
        component.send_presence(bare, sender=f"{NURSE}/garden")
        seen = await romeo.expect_presence("available", NURSE)
        assert seen["from"].resource == "garden"
        component.send_presence(bare, "unavailable", sender=f"{NURSE}/garden")
        await romeo.expect_presence("unavailable", NURSE)
        romeo.xmpp.send_presence_subscription(NURSE, ptype="unsubscribe")
        await component.expect_presence("unsubscribe", bare)


async def test_somebody_at_the_component_subscribes_to_a_user(gateway: Peer, peer: Peer) -> None:
    async with together(gateway, peer, "juliet") as (component, juliet):
        bare = juliet.xmpp.boundjid.bare
        component.send_presence(bare, "subscribe", sender=NURSE)
        await juliet.expect_presence("subscribe", NURSE)
        juliet.xmpp.send_presence_subscription(NURSE, ptype="subscribed")
        await component.expect_presence("subscribed", bare)
        seen = await component.expect_presence("available", bare)
        assert str(seen["from"]) == juliet.jid
        juliet.xmpp.send_presence(pshow="away", pstatus="at the balcony")
        assert (await component.expect_presence("away", bare))["status"] == "at the balcony"
        component.send_presence(bare, "unsubscribe", sender=NURSE)
        await component.expect_presence("unavailable", bare)


async def test_directed_presence_passes_both_ways(gateway: Peer, peer: Peer) -> None:
    async with together(gateway, peer) as (component, romeo):
        bare = romeo.xmpp.boundjid.bare
        romeo.send_presence(NURSE)
        await component.expect_presence("available", bare)
        component.send_presence(romeo.jid, sender=f"{NURSE}/garden")
        await romeo.expect_presence("available", NURSE)
        romeo.xmpp.send_presence(ptype="unavailable")
        await component.expect_presence("unavailable", bare)


# iq.


async def test_requests_are_answered_both_ways(gateway: Peer, peer: Peer) -> None:
    async with together(gateway, peer) as (component, romeo):
        answer = await romeo.request("component.gateway.test", PING)
        assert (answer["type"], answer["from"]) == ("result", "component.gateway.test")
        answer = await romeo.request(NURSE, DISCO_INFO)
        assert answer.xml.find(f"{DISCO}query") is not None
        answer = await component.request(romeo.jid, DISCO_INFO)
        assert answer.xml.find(f"{DISCO}query/{DISCO}feature") is not None


async def test_errors_answer_requests_both_ways(gateway: Peer, peer: Peer) -> None:
    strange = "<query xmlns='urn:example:strange'/>"
    async with together(gateway, peer) as (component, romeo):
        for asker, asked in ((romeo, NURSE), (component, romeo.jid)):
            with pytest.raises(IqError) as error:
                await asker.request(asked, strange, "set")
            assert condition(error.value.iq) in ("service-unavailable", "feature-not-implemented")


async def test_a_request_is_answered_when_the_component_goes_away(gateway: Peer, peer: Peer) -> None:
    async with user(peer, "romeo") as romeo:
        async with attached(gateway) as component:
            component.mute()
            asked = asyncio.create_task(romeo.request(NURSE, "<query xmlns='urn:example:slow'/>"))
            await component.expect(lambda stanza: stanza["type"] == "get")
        with pytest.raises(IqError) as error:
            await asked
        assert condition(error.value.iq) == "remote-server-timeout"


# Ping and service discovery, of domains.


async def test_their_user_pings_and_discovers_our_domain(gateway: Peer, peer: Peer) -> None:
    async with user(peer, "romeo") as romeo:
        answer = await romeo.request("gateway.test", PING)
        assert (answer["type"], answer["from"]) == ("result", "gateway.test")
        answer = await romeo.request("gateway.test", DISCO_INFO)
        features = {feature.get("var") for feature in answer.xml.iter(f"{DISCO}feature")}
        assert {"urn:xmpp:ping", "jabber:iq:version", "http://jabber.org/protocol/disco#info"} <= features


async def test_our_component_pings_and_discovers_their_server(gateway: Peer, peer: Peer) -> None:
    domain = peer.site.domains[0]
    async with attached(gateway) as component:
        answer = await component.request(domain, PING)
        assert (answer["type"], answer["from"]) == ("result", domain)
        answer = await component.request(domain, DISCO_INFO)
        features = {feature.get("var") for feature in answer.xml.iter(f"{DISCO}feature")}
        assert "http://jabber.org/protocol/disco#info" in features


async def test_our_component_asks_their_components_and_is_asked_by_them(gateway: Peer, peer: Peer) -> None:
    async with attached(gateway) as ours, attached(peer) as theirs:
        assert (await ours.request(theirs.jid, PING))["from"] == theirs.jid
        assert (await theirs.request(ours.jid, PING))["from"] == ours.jid
