"""What the server answers in an account's name: documents, discovery, ping, and who may ask."""

from __future__ import annotations

import pytest

from gateway.storage.records import StoreLimits
from tests.support.accounts import Home, xml
from tests.support.trees import swelling

ALICE = "alice@example.com"
CARD = "<vCard xmlns='vcard-temp'><FN>Alice</FN><PHOTO><BINVAL>AA==</BINVAL></PHOTO></vCard>"
NOTE = "<storage xmlns='storage:bookmarks'><conference jid='room@chat.example.net'/></storage>"


def iq(type_: str, payload: str, more: str = "") -> str:
    return f"<iq type='{type_}' id='1' {more}>{payload}</iq>"


def private(note: str) -> str:
    return f"<query xmlns='jabber:iq:private'>{note}</query>"


def result(payload: str = "", to: str = f"{ALICE}/phone") -> str:
    return iq("result", payload, f"from='{ALICE}' to='{to}'")


def condition(home: Home) -> str:
    """The condition of the one error that went out."""
    (bounce,) = home.world.got
    error = bounce.element.first(name="error")
    assert error is not None
    return next(error.elements()).name


def test_card_is_kept_for_all_to_read() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone")
    phone.say(iq("get", "<vCard xmlns='vcard-temp'/>"))
    assert phone.heard() == xml(result("<vCard xmlns='vcard-temp'/>"))
    phone.say(iq("set", CARD), iq("get", "<vCard xmlns='vcard-temp'/>"))
    assert phone.heard() == xml(result(), result(CARD))
    phone.leave()
    home.arrive(iq("get", "<vCard xmlns='vcard-temp'/>", f"from='bob@example.net/x' to='{ALICE}'"))
    assert home.world.heard() == xml(result(CARD, "bob@example.net/x"))


@pytest.mark.parametrize("to", [ALICE, "nobody@example.com"])
def test_account_without_a_card_looks_like_no_account(to: str) -> None:
    home = Home("alice")
    home.arrive(iq("get", "<vCard xmlns='vcard-temp'/>", f"from='bob@example.net/x' to='{to}'"))
    empty = iq("result", "<vCard xmlns='vcard-temp'/>", f"from='{to}' to='bob@example.net/x'")
    assert home.world.heard() == xml(empty)


def test_private_notes_are_kept_by_name_and_namespace() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone")
    phone.say(iq("set", private(NOTE)), iq("set", private("<storage xmlns='urn:other'>1</storage>")))
    assert phone.heard() == xml(result(), result())
    phone.say(iq("get", private("<storage xmlns='storage:bookmarks'/>")), iq("get", private("<x xmlns='urn:x'/>")))
    assert phone.heard() == xml(result(private(NOTE)), result(private("<x xmlns='urn:x'/>")))
    phone.say(iq("set", private("<storage xmlns='storage:bookmarks'/>")))
    phone.say(iq("get", private("<storage xmlns='storage:bookmarks'/>")))
    assert phone.heard()[1:] == xml(result(private("<storage xmlns='storage:bookmarks'/>")))


@pytest.mark.parametrize("payload", [private(""), private(NOTE * 2), private("<x/>")])
def test_private_note_must_be_one_with_a_namespace_of_its_own(payload: str) -> None:
    phone = Home("alice").client("alice", "phone")
    phone.say(iq("set", payload))
    assert b"not-acceptable" in phone.got[0].raw


def test_a_card_that_swells_is_refused() -> None:
    home = Home("alice")
    phone = home.client("alice")
    phone.say(iq("set", f"<vCard xmlns='vcard-temp'>{swelling()}</vCard>"))
    (answer,) = phone.heard()
    assert "<policy-violation" in answer


def test_documents_are_bounded() -> None:
    home = Home("alice", store_limits=StoreLimits(documents=2, document_bytes=100))
    phone = home.client("alice", "phone")
    phone.say(iq("set", f"<vCard xmlns='vcard-temp'><FN>{'a' * 100}</FN></vCard>"))
    phone.say(*(iq("set", private(f"<n{number} xmlns='urn:x'>1</n{number}>")) for number in range(3)))
    assert [stanza.type for stanza in phone.got] == ["error", "result", "result", "error"]
    assert b"resource-constraint" in phone.got[0].raw


DISCO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"


@pytest.mark.parametrize("subscription", ["from", "both"])
@pytest.mark.parametrize("online", [True, False])
def test_those_who_see_its_presence_may_discover_an_account(subscription: str, online: bool) -> None:
    home = Home("alice")
    home.befriend("alice", "bob@example.net", subscription)
    if online:
        home.client("alice", "phone").online()
    home.world.heard()
    home.arrive(iq("get", DISCO, f"from='bob@example.net/x' to='{ALICE}'"))
    (answer,) = home.world.got
    query = answer.element.first()
    assert query is not None
    assert [(each.get("category"), each.get("type")) for each in query.elements(name="identity")] == [
        ("account", "registered")
    ]
    assert "urn:xmpp:ping" in {each.get("var") for each in query.elements(name="feature")}


@pytest.mark.parametrize("subscription", [None, "none", "to"])
@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize("payload", [DISCO, DISCO.replace("info", "items"), "<ping xmlns='urn:xmpp:ping'/>"])
def test_to_others_there_is_no_account(subscription: str | None, online: bool, payload: str) -> None:
    home = Home("alice")
    if subscription:
        home.befriend("alice", "bob@example.net", subscription)
    if online:
        home.client("alice", "phone").online()
    home.world.heard()
    home.arrive(iq("get", payload, f"from='bob@example.net/x' to='{ALICE}'"))
    assert condition(home) == "service-unavailable"


@pytest.mark.parametrize("payload", ["", "<a xmlns='urn:a'/><b xmlns='urn:b'/>"])
def test_a_request_that_is_none_does_not_tell_who_is_there(payload: str) -> None:
    told = []
    for to in (ALICE, "nobody@example.com"):
        home = Home("alice")
        home.arrive(iq("get", payload, f"from='bob@example.net/x' to='{to}'"))
        told.append(condition(home))
    assert told == ["bad-request", "bad-request"]


def test_own_client_may_ask_without_recipient() -> None:
    phone = Home("alice").client("alice", "phone")
    phone.say(
        iq("get", "<ping xmlns='urn:xmpp:ping'/>"),
        iq("set", "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>"),
        iq("get", "<query xmlns='http://jabber.org/protocol/disco#items'/>"),
        iq("get", "<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>"),
        iq("get", "<query xmlns='urn:unknown'/>"),
        iq("set", "<ping xmlns='urn:xmpp:ping'/>"),
    )
    assert [stanza.type for stanza in phone.got] == ["result"] * 3 + ["error"] * 3


@pytest.mark.parametrize(
    "text",
    [
        "<iq type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq type='get' id='1'/>",
        "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq type='nonsense' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<iq id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
    ],
)
def test_request_that_is_none_is_a_bad_request(text: str) -> None:
    phone = Home("alice").client("alice", "phone")
    phone.say(text)
    assert b"bad-request" in phone.got[0].raw
