"""What was promised to a client survives: an orderly stop, and a crash (SIGKILL) right after the promise."""

from __future__ import annotations

import pytest

from tests.interop.clients import PASSWORD, user
from tests.interop.fixtures import Starter
from tests.interop.knocking import at_home
from tests.interop.peers import Gateway, Peer
from tests.interop.probe import Probe

SM = "xmlns='urn:xmpp:sm:3'"


@pytest.fixture
def home(start: Starter) -> Peer:
    """A gateway with accounts, for one test alone."""
    home = start(Gateway, "verona.test", options={"domains": {"verona.test": {"serve": "im"}}})
    for name in ("romeo", "juliet"):
        home.register(f"{name}@verona.test", PASSWORD)
    return home


def line(number: int) -> str:
    return f"<message to='juliet@verona.test' type='chat'><body>line {number}</body></message>"


async def told_of(home: Peer, *numbers: int) -> None:
    """Lines of romeo's wait for juliet."""
    async with user(home, "romeo") as romeo:
        for number in numbers:
            romeo.send_message("juliet@verona.test", f"line {number}")
        await romeo.request("verona.test", "<ping xmlns='urn:xmpp:ping'/>")


async def next_line(probe: Probe) -> str:
    """The body of the next message."""
    while (body := (await probe.element()).findtext("{jabber:client}body")) is None:
        pass
    return body


async def acknowledged(probe: Probe) -> int:
    """Ask what has been taken."""
    await probe.type(f"<r {SM}/>")
    while not (answer := await probe.element()).tag.endswith("}a"):
        pass
    return int(answer.get("h") or 0)


async def test_messages_that_were_acknowledged_are_there_after_a_crash(home: Peer) -> None:
    async with at_home(home, "romeo") as romeo:
        await romeo.type(f"<enable {SM}/>")
        await romeo.element()
        await romeo.type("".join(map(line, range(200))))
        taken = await acknowledged(romeo)
        home.kill()
    assert taken == 200
    home.start()
    async with user(home, "juliet") as juliet:
        for number in range(taken):
            await juliet.expect_message(f"line {number}")


async def test_contacts_that_were_confirmed_are_there_after_a_crash(home: Peer) -> None:
    async with user(home, "romeo") as romeo:
        await romeo.xmpp.get_roster()
        await romeo.request(
            "romeo@verona.test",
            "<query xmlns='jabber:iq:roster'><item jid='friar@elsewhere.test' name='Laurence'/></query>",
            "set",
        )
        home.kill()
        romeo.abort()
    home.start()
    async with user(home, "romeo") as romeo:
        await romeo.xmpp.get_roster()
        assert romeo.xmpp.client_roster["friar@elsewhere.test"]["name"] == "Laurence"


async def test_what_a_parked_client_never_took_is_stored_by_an_orderly_stop(home: Peer) -> None:
    async with user(home, "romeo") as romeo:
        async with at_home(home, "juliet", "balcony") as juliet:
            await juliet.type(f"<enable {SM} resume='true'/><presence/>")
            await juliet.element()
            juliet.drop()
        romeo.send_message("juliet@verona.test/balcony", "while you were away")
        await romeo.request("verona.test", "<ping xmlns='urn:xmpp:ping'/>")
    home.stop()
    home.start()
    async with user(home, "juliet") as again:
        await again.expect_message("while you were away")


async def test_kept_messages_that_were_not_acknowledged_are_there_after_a_crash(home: Peer) -> None:
    await told_of(home, 1, 2)
    async with at_home(home, "juliet") as juliet:
        await juliet.type(f"<enable {SM}/><presence/>")
        assert [await next_line(juliet) for _ in range(2)] == ["line 1", "line 2"]
        await juliet.type(f"<a {SM} h='2'/>")  # her own presence, and the first line
        await juliet.type("<iq type='get' id='p' to='verona.test'><ping xmlns='urn:xmpp:ping'/></iq>")
        while (await juliet.element()).get("id") != "p":
            pass
        home.kill()
    home.start()
    async with user(home, "juliet") as again:
        await again.expect_message("line 2")
        await again.request("verona.test", "<ping xmlns='urn:xmpp:ping'/>")
        assert "line 1" not in [str(stanza["body"]) for stanza in again.inbox if stanza.name == "message"]


async def test_kept_messages_are_there_after_a_crash_right_behind_their_delivery(home: Peer) -> None:
    await told_of(home, 1)
    async with user(home, "juliet") as juliet:
        await juliet.expect_message("line 1")
        home.kill()
        juliet.abort()
    home.start()
    async with user(home, "juliet") as again:
        await again.expect_message("line 1")


async def test_kept_messages_are_there_after_a_connection_broke_right_behind_their_delivery(home: Peer) -> None:
    await told_of(home, 1)
    async with at_home(home, "juliet") as juliet:
        await juliet.type("<presence/>")
        assert await next_line(juliet) == "line 1"
        juliet.drop()
    async with user(home, "juliet") as again:
        await again.expect_message("line 1")
        await again.request("verona.test", "<ping xmlns='urn:xmpp:ping'/>")
    async with user(home, "juliet") as later:
        await later.request("verona.test", "<ping xmlns='urn:xmpp:ping'/>")
        assert [stanza for stanza in later.inbox if stanza.name == "message"] == []


async def test_an_acknowledgement_is_read_while_nothing_more_is_sent_without_it(home: Peer) -> None:
    body, count = "x" * 40_000, 27  # more than a megabyte together
    async with at_home(home, "romeo", "stage") as romeo:
        await romeo.type(f"<enable {SM}/>")
        await romeo.element()
        await romeo.type(f"<message to='romeo@verona.test/stage' type='chat'><body>{body}</body></message>" * count)
        for _ in range(count):
            assert await next_line(romeo) == body
        roster = "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"
        await romeo.type(roster)
        await romeo.type(f"<a {SM} h='{count}'/>")
        while (await romeo.element()).get("id") != "r":
            pass
        await romeo.type(f"<a {SM} h='{count + 1}'/>{roster}")
        while (await romeo.element()).get("id") != "r":
            pass
