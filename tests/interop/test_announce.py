"""Announcements on the wire: by the operator's command, and by the ad-hoc command of an admin."""

from __future__ import annotations

import asyncio

import pytest
from slixmpp.exceptions import IqError

from tests.interop.clients import PASSWORD, Client, condition, user
from tests.interop.fixtures import USERS, Starter
from tests.interop.peers import Gateway, Peer

DOMAIN = "word.test"
ADMIN = "http://jabber.org/protocol/admin"
COMMANDS = "http://jabber.org/protocol/commands"
ITEMS = f"<query xmlns='http://jabber.org/protocol/disco#items' node='{COMMANDS}'/>"


@pytest.fixture(scope="module")
def word(start_all: Starter) -> Peer:
    """A gateway with accounts, of whom romeo is an admin."""
    domains = {DOMAIN: {"serve": "im", "admins": [f"xmpp:romeo@{DOMAIN}"]}}
    word = start_all(Gateway, DOMAIN, options={"domains": domains})
    for name in USERS:
        word.register(f"{name}@{DOMAIN}", PASSWORD)
    return word


def command(node: str, content: str = "") -> str:
    return f"<command xmlns='{COMMANDS}' node='{ADMIN}#{node}'>{content}</command>"


def form(subject: str, *lines: str) -> str:
    """The form of XEP-0133 §4.23, filled in."""
    fields = {"FORM_TYPE": [ADMIN], "subject": [subject], "announcement": lines}
    written = "".join(
        f"<field var='{name}'>{''.join(f'<value>{value}</value>' for value in values)}</field>"
        for name, values in fields.items()
    )
    return f"<x xmlns='jabber:x:data' type='submit'>{written}</x>"


async def listed(somebody: Client) -> list[str]:
    """The nodes of the commands that somebody sees."""
    answer = await somebody.request(DOMAIN, ITEMS)
    return [each.get("node") for each in answer.xml.iter("{http://jabber.org/protocol/disco#items}item")]


async def test_an_admin_announces_to_those_who_are_online(word: Peer) -> None:
    async with user(word, "romeo") as romeo, user(word, "juliet") as juliet:
        assert await listed(romeo) == [f"{ADMIN}#announce", f"{ADMIN}#announce-all"]
        shown = await romeo.request(DOMAIN, command("announce"), "set")
        fields = {each.get("var"): each.get("type") for each in shown.xml.iter("{jabber:x:data}field")}
        assert fields == {"FORM_TYPE": "hidden", "subject": "text-single", "announcement": "text-multi"}
        done = await romeo.request(
            DOMAIN, command("announce", form("Tonight", "We stop at ten.", "Until eleven.")), "set"
        )
        assert done.xml.find(f"{{{COMMANDS}}}command").get("status") == "completed"
        for each in (romeo, juliet):
            message = await each.expect_message("We stop at ten.\nUntil eleven.")
            assert (str(message["from"]), message["type"], message["subject"]) == (DOMAIN, "headline", "Tonight")
    assert f"romeo@{DOMAIN} announces something to 2 accounts" in word.log()


async def test_nobody_else_may(word: Peer) -> None:
    async with user(word, "juliet") as juliet:
        assert await listed(juliet) == []
        for node in ("announce", "announce-all"):
            with pytest.raises(IqError) as refused:
                await juliet.request(DOMAIN, command(node, form("", "Hi")), "set")
            assert condition(refused.value.iq) == "forbidden"


async def test_the_operator_reaches_all_accounts_also_those_who_are_offline(word: Peer) -> None:
    async with user(word, "romeo") as romeo:
        told = await asyncio.to_thread(
            word.operate, "announce", "--all", "--subject", "News", "The address has changed."
        )
        assert told == "being sent to 2 accounts\n"
        message = await romeo.expect_message("The address has changed.")
        assert (message["type"], message["subject"]) == ("normal", "News")
    async with user(word, "juliet") as juliet:
        await juliet.expect_message("The address has changed.")


async def test_the_operator_reaches_those_who_are_online(word: Peer) -> None:
    async with user(word, "romeo") as romeo:
        told = await asyncio.to_thread(word.operate, "announce", "--domain", DOMAIN, "-", typed="Good night\n")
        assert told == "being sent to 1 account online\n"
        await romeo.expect_message("Good night")
