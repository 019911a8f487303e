"""Filters with real servers: what is refused at the header, held over a restart, and listed by a real block list."""

from __future__ import annotations

import asyncio
import json
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from slixmpp.exceptions import IqError

from gateway.operations.control.client import ask
from tests.interop.clients import attached, condition, user
from tests.interop.fixtures import Starter
from tests.interop.peers import Gateway, Peer, Prosody
from tests.interop.peers.prosody import MODULES
from tests.interop.peers.site import CLIENT, SERVER
from tests.interop.world import World

DOMAIN, COMPONENT, LISTS, NODE = "frontier.test", "rooms.frontier.test", "lists.watch.test", "muc_bans_sha256"
ABUSE = "abuse.test"
FILTERS: list[dict[str, Any]] = [
    {"name": "secret rule", "when": {"from": ABUSE, "kind": "message"}, "then": "report"},
    {"name": "nothing from them", "when": {"from": "watch.test"}, "then": "bounce:policy-violation"},
    {"name": "listed", "when": {"direction": "in", "listed": "watched"}, "then": "drop"},
    {"name": "blocked by file", "when": {"direction": "in", "listed": "blocked"}, "then": "drop"},
    {"name": "links", "when": {"direction": "in", "kind": "message", "stranger": True, "urls": True}, "then": "hold"},
]


class Watch(Prosody):
    """Prosody with a publish-subscribe service, where romeo publishes a block list."""

    def ports(self) -> tuple[int, ...]:
        return (SERVER, CLIENT)

    def write_configuration(self) -> None:
        super().write_configuration()
        written = self.configuration.read_text()
        admins = f'admins = {{ "romeo@{self.site.domains[0]}" }}'
        opening = f'Component "{LISTS}" "pubsub"\nautocreate_on_publish = true\n{admins}\n'
        self.configuration.write_text(written.replace(f'Component "{LISTS}"\n', opening))


@pytest.fixture(scope="module")
def watch(start_all: Starter) -> Peer:
    return start_all(Watch, "watch.test", components={LISTS: "secret"})


@pytest.fixture(scope="module")
def abuse(start_all: Starter) -> Peer:
    modules = [*MODULES, "dialback", "server_contact_info"]
    options = {"modules_enabled": modules, "contact_info": {"abuse": [f"xmpp:romeo@{ABUSE}"]}}
    return start_all(Prosody, ABUSE, options=options)


@pytest.fixture(scope="module")
def blocked(world: World) -> Path:
    file = world.folder / "blocked.txt"
    file.touch()
    return file


@pytest.fixture(scope="module")
def border(start_all: Starter, watch: Peer, blocked: Path) -> Peer:
    lists = {"watched": {"rtbl": LISTS, "node": NODE}, "blocked": {"file": str(blocked)}}
    options = {"filter": FILTERS, "lists": lists}
    return start_all(Gateway, DOMAIN, components={COMPONENT: "secret"}, options=options)


async def publish(publisher: Any, what: str, *, retract: bool = False) -> None:
    """Put somebody on the block list, or take them off it."""
    entry = sha256(what.encode()).hexdigest()
    item = f"<item id='{entry}'/>" if retract else f"<item id='{entry}'><report xmlns='urn:xmpp:reporting:1'/></item>"
    verb = "retract" if retract else "publish"
    notify = " notify='true'" if retract else ""
    pubsub = "http://jabber.org/protocol/pubsub"
    await publisher.request(
        LISTS, f"<pubsub xmlns='{pubsub}'><{verb} node='{NODE}'{notify}>{item}</{verb}></pubsub>", kind="set"
    )


async def until_listed(border: Peer, entries: int) -> None:
    """Wait until the gateway has this many entries of the list."""
    for _ in range(200):
        found = (await asyncio.to_thread(ask, border.folder / "state", "filters"))["lists"]
        (named,) = [each for each in found if each["name"] == "watched"]
        if named["entries"] == entries:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"still {named}")


async def held(border: Peer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(await asyncio.to_thread(border.operate, "held", "--json"))
    return found


async def test_the_abuse_contact_of_a_real_server_gets_a_report(border: Peer, abuse: Peer) -> None:
    async with user(abuse, "romeo") as contact, user(abuse, "juliet") as spammer, attached(border) as component:
        spammer.send_message(component.jid, "buy")
        await component.expect_message("buy")
        report = await contact.expect_any_message()
        assert report.xml.find("{urn:xmpp:reporting:1}report/{urn:xmpp:reporting:1}jid").text == f"juliet@{ABUSE}"
        assert (report["from"].full, "secret rule" in str(report)) == (COMPONENT, False)
        spammer.send_message(component.jid, "buy more")  # not reported again so soon
        await component.expect_message("buy more")
        assert contact.take_all() == []


async def test_links_of_strangers_are_held_over_a_restart_and_released_once(border: Peer, prosody: Peer) -> None:
    async with user(prosody, "romeo") as romeo:
        async with attached(border) as component:
            romeo.send_message(component.jid, "see https://spam.test/ now")
            romeo.send_message(component.jid, "no link")
            await component.expect_message("no link")
        (stanza,) = await held(border)
        assert (stanza["sender"], stanza["target"], stanza["rule"]) == ("prosody.test", COMPONENT, "links")
        assert "spam.test" not in json.dumps(stanza)
        border.restart()  # not in a thread: the process would end with it
        assert "https://spam.test/" in await asyncio.to_thread(border.operate, "held", "show", str(stanza["id"]))
        async with attached(border) as component:
            await asyncio.to_thread(border.operate, "held", "release", str(stanza["id"]))
            message = await component.expect_message("see https://spam.test/ now")
            assert message.xml.find("{urn:xmpp:delay}delay") is not None
            assert await held(border) == []
            component.send_message(romeo.jid, "tell me more")  # no stranger from now on
            await romeo.expect_message("tell me more")
            romeo.send_message(component.jid, "and http://this.test/")
            await component.expect_message("and http://this.test/")
        assert await held(border) == []


async def test_who_is_on_a_real_block_list_is_not_heard(border: Peer, watch: Peer, prosody: Peer) -> None:
    async with user(watch, "romeo") as publisher:
        await publish(publisher, "nobody@nowhere.test")  # before it, there is no such node
        border.restart()  # not in a thread: the process would end with it
    async with user(watch, "romeo") as publisher, user(prosody, "juliet") as juliet, attached(border) as component:
        await until_listed(border, 1)
        juliet.send_message(component.jid, "before")
        await component.expect_message("before")
        await publish(publisher, "juliet@prosody.test")
        await until_listed(border, 2)
        juliet.send_message(component.jid, "listed")
        with pytest.raises(IqError) as refused:
            await juliet.request(component.jid, "<ping xmlns='urn:xmpp:ping'/>")
        assert condition(refused.value.iq) == "service-unavailable"
        await publish(publisher, "juliet@prosody.test", retract=True)
        await until_listed(border, 1)
        juliet.send_message(component.jid, "after")
        await component.expect_message("after")
        assert [each for each in component.inbox if "listed" in str(each)] == []
        forged = f"<purge node='{NODE}'/>"
        event = f"<event xmlns='http://jabber.org/protocol/pubsub#event'>{forged}</event>"
        juliet.xmpp.send_raw(f"<message to='{DOMAIN}/lists'>{event}</message>")
        juliet.send_message(component.jid, "behind it")
        await component.expect_message("behind it")
        await until_listed(border, 1)
    watch.restart()
    async with user(watch, "romeo") as publisher:
        await publish(publisher, "juliet@prosody.test")
        await until_listed(border, 2)
        await publish(publisher, "juliet@prosody.test", retract=True)
        await until_listed(border, 1)


async def test_a_domain_is_blocked_and_unblocked_by_a_reload(border: Peer, abuse: Peer, blocked: Path) -> None:
    async with user(abuse, "juliet") as juliet, attached(border) as component:
        juliet.send_message(component.jid, "before")
        await component.expect_message("before")
        blocked.write_text(f"{ABUSE}\n")
        await asyncio.to_thread(border.operate, "reload")
        await juliet.expect_error(juliet.send_message(component.jid, "blocked"))
        blocked.write_text("")
        await asyncio.to_thread(border.operate, "reload")
        async with asyncio.timeout(60):
            for number in count():  # its server may not try again at once
                juliet.send_message(component.jid, f"after {number}")
                await asyncio.sleep(0.5)
                if component.inbox:
                    break
        assert not [each for each in component.inbox if each["body"] == "blocked"]
    refused = await asyncio.to_thread(border.logged, ABUSE, "the filter 'blocked by file'")
    assert refused


async def test_a_domain_from_which_nothing_is_wanted_is_refused_at_its_header(border: Peer, watch: Peer) -> None:
    async with user(watch, "juliet") as juliet:
        await juliet.expect_error(juliet.send_message(f"a@{COMPONENT}", "hello"))
    assert await asyncio.to_thread(border.logged, "watch.test", "the filter 'nothing from them'")
