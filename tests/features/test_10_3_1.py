"""10.3-1: presence without a type means available, and show, status and priority travel with it (RFC 6121 §4.7)."""

from __future__ import annotations

import pytest

from tests.support.accounts import Home, xml

ALICE, BOB = "alice@example.com", "bob@example.net"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "<show>away</show>",
        "<show>dnd</show><status xml:lang='en'>Busy</status><status xml:lang='cs'>Zaneprázdněn</status>",
        "<priority>1</priority><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='n' ver='v'/>",
    ],
)
def test_available_presence_reaches_contacts_as_it_was_said(content: str) -> None:
    home = Home("alice")
    home.befriend("alice", BOB, "from")
    phone = home.client("alice", "phone")
    phone.say(f"<presence id='p'>{content}</presence>")
    assert home.world.heard() == xml(f"<presence from='{ALICE}/phone' to='{BOB}' id='p'>{content}</presence>")


def test_unavailable_is_told_apart() -> None:
    home = Home("alice")
    home.befriend("alice", BOB, "from")
    phone = home.client("alice", "phone").online()
    home.world.heard()
    phone.say("<presence type='unavailable'><status>Gone</status></presence>")
    assert home.world.heard() == xml(
        f"<presence from='{ALICE}/phone' to='{BOB}' type='unavailable'><status>Gone</status></presence>"
    )


@pytest.mark.parametrize("type_", ["available", "invisible", "away", ""])
def test_type_that_does_not_exist_is_refused(type_: str) -> None:
    home = Home("alice")
    home.befriend("alice", BOB, "from")
    phone = home.client("alice", "phone")
    for to in ("", f"to='{BOB}'"):
        phone.say(f"<presence {to} type='{type_}' id='p'/>")
        (refusal,) = phone.got
        assert (refusal.type, refusal.id) == ("error", "p")
        assert b"bad-request" in refusal.raw
        phone.heard()
    assert home.world.heard() == []


@pytest.mark.parametrize("type_", ["subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe", "error"])
def test_type_that_is_for_somebody_needs_a_recipient(type_: str) -> None:
    home = Home("alice")
    home.befriend("alice", BOB)
    phone = home.client("alice", "phone")
    phone.say(f"<presence type='{type_}' id='p'/>")
    assert [stanza.type for stanza in phone.got] == ([] if type_ == "error" else ["error"])
    assert home.world.heard() == []


@pytest.mark.parametrize("type_", ["away", "invisible"])
def test_type_that_does_not_exist_is_refused_from_outside(type_: str) -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online()
    home.arrive(f"<presence from='{BOB}' to='{ALICE}' type='{type_}' id='p'/>")
    assert phone.heard() == []
    (bounce,) = home.world.got
    assert (bounce.type, bounce.id) == ("error", "p")


def test_inbound_presence_reaches_available_resources_and_the_one_it_names() -> None:
    home = Home("alice")
    phone, desk = home.client("alice", "phone").online(), home.client("alice", "desk").online("")
    for type_ in ("", "type='unavailable'"):
        to_all = f"<presence from='{BOB}/x' to='{ALICE}' {type_}/>"
        to_desk = f"<presence from='{BOB}/x' to='{ALICE}/desk' {type_}/>"
        to_nobody = f"<presence from='{BOB}/x' to='{ALICE}/gone' {type_}/>"
        home.arrive(to_all, to_desk, to_nobody)
        assert phone.heard() == xml(to_all)
        assert desk.heard() == xml(to_desk)
    assert home.world.heard() == []
