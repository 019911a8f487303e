"""Carbons (XEP-0280): who gets copies of what."""

from __future__ import annotations

import pytest

from gateway.im.carbons import RECEIVED, SENT, is_eligible
from tests.support.accounts import Client, Home, xml
from tests.support.trees import stanza

ALICE, BOB = "alice@example.com", "bob@example.net/x"
MUC = "<x xmlns='http://jabber.org/protocol/muc#user'>{}</x>"


def message(content: str, type_: str | None = "chat", to: str = f"{ALICE}/phone", from_: str = BOB) -> str:
    typed = f"type='{type_}'" if type_ else ""
    return f"<message from='{from_}' to='{to}' {typed}>{content}</message>"


def copy(direction: str, original: str, to: str = f"{ALICE}/desk", type_: str = "type='chat'") -> str:
    inner = original.replace("<message", "<message xmlns='jabber:client'")
    return (
        f"<message from='{ALICE}' to='{to}' {type_}><{direction} xmlns='urn:xmpp:carbons:2'>"
        f"<forwarded xmlns='urn:xmpp:forward:0'>{inner}</forwarded></{direction}></message>"
    )


def enabled(home: Home, name: str, presence: str = "<presence/>") -> Client:
    client = home.client("alice", name).online(presence)
    client.say("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
    assert client.heard() == xml(f"<iq type='result' id='c' from='{ALICE}' to='{client.jid}'/>")
    return client


@pytest.mark.parametrize(
    ("type_", "content", "received", "sent"),
    [
        ("chat", "<body>Hi</body>", True, True),
        ("chat", "", True, True),
        ("chat", "<active xmlns='http://jabber.org/protocol/chatstates'/>", True, True),
        ("normal", "<body>Hi</body>", True, True),
        (None, "<body>Hi</body>", True, True),
        ("unknown", "<body>Hi</body>", True, True),
        ("normal", "<x xmlns='urn:x'/>", False, False),
        ("normal", "<x xmlns='urn:x'><body xmlns='jabber:client'/></x>", False, False),
        ("groupchat", "<body>Hi</body>", False, False),
        ("headline", "<body>Hi</body>", False, False),
        ("error", "<body>Hi</body>", False, False),
        ("chat", "<body>Hi</body><private xmlns='urn:xmpp:carbons:2'/>", False, False),
        ("chat", "<body>Hi</body><no-copy xmlns='urn:xmpp:hints'/>", False, False),
        ("chat", "<body>About urn:xmpp:carbons:2 and urn:xmpp:hints</body>", True, True),
        ("chat", "<body>Hi</body>" + MUC.format(""), False, True),
        ("normal", MUC.format("<invite from='bob@example.net'/>"), True, True),
        ("normal", "<x xmlns='jabber:x:conference' jid='room@example.net'/>", True, True),
    ],
)
def test_what_is_copied(type_: str | None, content: str, received: bool, sent: bool) -> None:
    assert is_eligible(stanza(message(content, type_)), RECEIVED) is received
    assert is_eligible(stanza(message(content, type_)), SENT) is sent


def test_message_for_one_resource_is_copied_to_the_others_that_asked() -> None:
    home = Home("alice")
    phone, silent = home.client("alice", "phone").online(), home.client("alice", "silent").online()
    desk, negative = enabled(home, "desk"), enabled(home, "negative", "<presence><priority>-1</priority></presence>")
    for client in (phone, silent, desk):
        client.heard()
    original = message("<body>Hi</body><thread>t</thread>")
    home.arrive(original)
    assert phone.heard() == xml(original)
    assert desk.heard() == xml(copy("received", original))
    assert negative.heard() == xml(copy("received", original, f"{ALICE}/negative"))
    assert silent.heard() == []


def test_message_that_the_client_sends_is_copied_to_the_others_that_asked() -> None:
    home = Home("alice")
    phone, desk = enabled(home, "phone"), enabled(home, "desk")
    phone.heard()
    phone.say(f"<message to='{BOB}' type='chat'><body>Hi</body></message>")
    original = message("<body>Hi</body>", to=BOB, from_=f"{ALICE}/phone")
    assert desk.heard() == xml(copy("sent", original))
    assert phone.heard() == []
    assert home.world.heard() == xml(original)


def test_who_got_the_message_itself_gets_no_copy() -> None:
    home = Home("alice")
    phone, desk = enabled(home, "phone"), enabled(home, "desk")
    phone.heard()
    for to in (ALICE, f"{ALICE}/gone"):
        original = message("<body>Hi</body>", to=to)
        home.arrive(original)
        assert phone.heard() == desk.heard() == xml(original)


def test_message_to_oneself_is_copied_once() -> None:
    home = Home("alice")
    phone, desk = enabled(home, "phone"), enabled(home, "desk")
    car = enabled(home, "car", "<presence><priority>-1</priority></presence>")
    for client in (phone, desk, car):
        client.heard()
    phone.say(f"<message to='{ALICE}' type='chat'><body>Note</body></message>")
    original = message("<body>Note</body>", to=ALICE, from_=f"{ALICE}/phone")
    assert phone.heard() == desk.heard() == xml(original)
    assert car.heard() == xml(copy("received", original, f"{ALICE}/car"))


def test_message_that_waits_is_copied_too() -> None:
    home = Home("alice")
    desk = enabled(home, "desk", "<presence><priority>-1</priority></presence>")
    original = message("<body>Hi</body>", to=ALICE)
    home.arrive(original)
    assert desk.heard() == xml(copy("received", original))
    assert len(home.kept("alice")) == 1


def test_copies_end_when_they_are_disabled() -> None:
    home = Home("alice")
    home.client("alice", "phone").online()
    desk = enabled(home, "desk")
    for _ in range(2):
        desk.say("<iq type='set' id='d'><disable xmlns='urn:xmpp:carbons:2'/></iq>")
        assert desk.heard() == xml(f"<iq type='result' id='d' from='{ALICE}' to='{ALICE}/desk'/>")
    home.arrive(message("<body>Hi</body>"))
    assert desk.heard() == []


def test_error_that_comes_back_for_a_copy_ends_with_the_account() -> None:
    home = Home("alice")
    desk = enabled(home, "desk")
    desk.say(f"<message to='{ALICE}' type='error'><error type='cancel'/></message>")
    assert desk.heard() == home.world.heard() == []


def test_bytes_inside_the_copy_are_those_of_the_message() -> None:
    home = Home("alice")
    home.client("alice", "phone").online()
    desk = enabled(home, "desk")
    raw = message("<body  xml:lang = 'en'>&lt;</body >")
    home.arrive(raw)
    (made,) = desk.got
    assert raw.replace("<message", "<message xmlns='jabber:client'").encode() in made.raw
