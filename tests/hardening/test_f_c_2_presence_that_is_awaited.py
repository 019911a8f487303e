"""F-C-2: presence to one address that cannot be delivered is answered with an error; broadcasts are not."""

from __future__ import annotations

import asyncio

import pytest

from gateway.xmpp.errors import StanzaCondition, StanzaError
from gateway.xmpp.stanzas import Stanza, error_reply
from tests.interop import clients
from tests.interop.clients import attached
from tests.interop.fixtures import Starter
from tests.interop.knocking import at_home, condition
from tests.interop.peers import Gateway, Peer
from tests.interop.probe import Probe
from tests.support.accounts import Home
from tests.support.trees import stanza

UNREACHED = StanzaError(StanzaCondition.REMOTE_SERVER_NOT_FOUND)
MUC = "<x xmlns='http://jabber.org/protocol/muc'/>"
MUC_USER = "<x xmlns='http://jabber.org/protocol/muc#user'><item affiliation='none' role='participant'/></x>"


def presence(attributes: str, content: str = "") -> Stanza:
    return stanza(f"<presence from='alice@here.test/x' id='7' {attributes}>{content}</presence>")


@pytest.mark.parametrize(
    ("attributes", "content"),
    [
        ("to='room@nowhere.test/nick'", ""),
        ("to='room@nowhere.test/nick'", MUC),
        ("to='room@nowhere.test'", MUC),
        ("to='room@nowhere.test'", f"<show>away</show>{MUC}"),
        ("to='room@nowhere.test/'", MUC),
        ("to='room@nowhere.test/'", ""),
        ("to='bob@nowhere.test' type='subscribe'", ""),
        ("to='bob@nowhere.test' type='unsubscribed'", ""),
    ],
)
def test_f_c_2_presence_to_one_address_is_answered(attributes: str, content: str) -> None:
    """Presence to a full address or with the mark of a join is answered with an error under its id."""
    answer = error_reply(presence(attributes, content), UNREACHED)
    assert answer is not None
    assert (answer.name, answer.type, answer.id, str(answer.to)) == ("presence", "error", "7", "alice@here.test/x")
    assert answer.from_ is not None
    assert answer.from_.domain == "nowhere.test"


@pytest.mark.parametrize(
    ("attributes", "content"),
    [
        ("to='bob@nowhere.test'", ""),
        ("to='bob@nowhere.test'", "<status>http://jabber.org/protocol/muc</status>"),
        ("to='bob@nowhere.test/desk'", MUC_USER),
        ("to='bob@nowhere.test' type='unavailable'", ""),
        ("to='room@nowhere.test/nick' type='unavailable'", MUC),
        ("to='bob@nowhere.test' type='probe'", ""),
        ("to='bob@nowhere.test/desk' type='probe'", ""),
        ("to='room@nowhere.test/nick' type='error'", ""),
    ],
)
def test_f_c_2_broadcasts_probes_and_goodbyes_stay_silent(attributes: str, content: str) -> None:
    """Presence that nobody waits for an answer to ends in silence."""
    assert error_reply(presence(attributes, content), UNREACHED) is None


class Nowhere:
    """A route that reaches nobody."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def deliver(self, stanza: Stanza) -> None:
        self._home.router.bounce(stanza, UNREACHED)

    def flush(self) -> None:
        return None


@pytest.fixture
def home() -> Home:
    home = Home("alice")
    home.world = Nowhere(home)  # type: ignore[assignment]
    return home


@pytest.mark.parametrize("to", ["bob@nowhere.test", "room@nowhere.test/nick", "nowhere.test"])
def test_f_c_2_a_client_hears_of_its_directed_presence(home: Home, to: str) -> None:
    """Directed presence is answered, also to a bare address, and is not remembered as shown."""
    phone = home.client("alice", "phone")
    phone.say(f"<presence to='{to}' id='7'/>")
    (answer,) = phone.got
    assert (answer.type, answer.id, str(answer.from_)) == ("error", "7", to)
    assert not phone.resource.directed


def test_f_c_2_a_client_hears_nothing_of_its_broadcasts(home: Home) -> None:
    """Broadcasts, probes and goodbyes to a contact that cannot be reached come back to nobody."""
    home.befriend("alice", "bob@nowhere.test")
    phone = home.client("alice", "phone")
    phone.online("")
    phone.say("<presence/>", "<presence><show>away</show></presence>", "<presence type='unavailable'/>")
    assert [each for each in phone.got if each.type == "error"] == []


def test_f_c_2_a_nickname_that_is_none_is_answered_by_the_room(home: Home) -> None:
    """The error for a nickname that is no resourcepart comes from the room, so that the client finds its join."""
    phone = home.client("alice", "phone")
    phone.say(f"<presence to='room@nowhere.test/' id='7'>{MUC}</presence>")
    (answer,) = phone.got
    assert (answer.type, answer.id, str(answer.from_)) == ("error", "7", "room@nowhere.test")
    assert b"jid-malformed" in answer.raw


async def _answer(probe: Probe, id_: str) -> str:
    while (answer := await probe.element()).get("id") != id_:
        pass
    assert answer.tag == "{jabber:client}presence"
    assert answer.get("type") == "error"
    return condition(answer)


@pytest.mark.parametrize("content", [MUC, ""])
async def test_f_c_2_joining_a_room_nowhere_on_the_wire(house: Peer, content: str) -> None:
    """A client that joins a room on a domain without a server gets an error presence."""
    async with at_home(house, "romeo") as romeo:
        await romeo.type(f"<presence to='room@nowhere.invalid/nick' id='j'>{content}</presence>")
        assert await _answer(romeo, "j") == "remote-server-not-found"


async def test_f_c_2_a_component_that_joins_under_a_nick_that_is_none_on_the_wire(start: Starter) -> None:
    """A component's join under a nickname that is none is answered, and its stream goes on."""
    gateway = start(Gateway, "c2.test", components={"component.c2.test": "secret"})
    async with attached(gateway) as component:
        component.xmpp.send_raw(
            f"<presence from='user@component.c2.test/x' to='room@nowhere.invalid/' id='j'>{MUC}</presence>"
        )
        answer = await component.expect(lambda each: each.name == "presence" and each["type"] == "error")
        assert clients.condition(answer) == "jid-malformed"
        component.send_message("component.c2.test", "still here")
        await asyncio.wait_for(component.expect_message("still here"), 20)
