"""11-4: a client that remembers a version of the roster is told what has changed since (RFC 6121 §2.6)."""

from __future__ import annotations

import pytest

from gateway.im.assembly import STREAM_FEATURES
from gateway.storage.records import StoreLimits
from tests.support.accounts import Client, Home, xml


def get(version: str) -> str:
    return f"<iq type='get' id='r'><query xmlns='jabber:iq:roster' ver='{version}'/></iq>"


def roster_set(contact: str, more: str = "") -> str:
    return f"<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='{contact}' {more}/></query></iq>"


def changed(home: Home) -> Client:
    """Alice's roster after three changes: bob in version 1, carol in 2, bob gone in 3."""
    desk = home.client("alice", "desk")
    desk.say(roster_set("bob@example.net"), roster_set("carol@example.net"))
    desk.say(roster_set("bob@example.net", "subscription='remove'"))
    return home.client("alice", "phone")


RESULT = "<iq type='result' id='r' from='alice@example.com' to='alice@example.com/phone'/>"
WHOLE = RESULT.replace(
    "/>",
    "><query xmlns='jabber:iq:roster' ver='epoch-3'><item jid='carol@example.net' subscription='none'/></query></iq>",
)


def push(version: str, item: str) -> str:
    return (
        "<iq type='set' id='*' from='alice@example.com' to='alice@example.com/phone'>"
        f"<query xmlns='jabber:iq:roster' ver='{version}'>{item}</query></iq>"
    )


CAROL = push("epoch-2", "<item jid='carol@example.net' subscription='none'/>")
BOB_GONE = push("epoch-3", "<item jid='bob@example.net' subscription='remove'/>")


@pytest.mark.parametrize(
    ("known", "told"),
    [
        ("epoch-3", [RESULT]),
        ("epoch-2", [RESULT, BOB_GONE]),
        ("epoch-1", [RESULT, CAROL, BOB_GONE]),
        ("", [WHOLE]),
        ("epoch-4", [WHOLE]),
        ("other-2", [WHOLE]),
        ("nonsense", [WHOLE]),
        ("epoch-\u0661", [WHOLE]),
    ],
)
def test_client_is_brought_from_its_version_to_the_last(known: str, told: list[str]) -> None:
    phone = changed(Home("alice"))
    phone.say(get(known))
    assert phone.heard() == xml(*told)


def test_version_whose_removals_are_forgotten_gets_the_whole_roster() -> None:
    phone = changed(Home("alice", store_limits=StoreLimits(forgotten_contacts=0)))
    phone.say(get("epoch-2"))
    assert phone.heard() == xml(WHOLE)


def test_version_is_only_for_those_who_ask_with_one() -> None:
    phone = changed(Home("alice"))
    phone.say("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    assert phone.heard() == xml(WHOLE.replace(" ver='epoch-3'", ""))


def test_client_that_is_up_to_date_is_interested_too() -> None:
    phone = changed(Home("alice"))
    phone.say(get("epoch-3"))
    phone.heard()
    phone.say(roster_set("dave@example.net"))
    pushed = push("epoch-4", "<item jid='dave@example.net' subscription='none'/>")
    assert phone.heard() == xml(pushed, RESULT.replace("id='r'", "id='s'"))


def test_it_is_advertised_before_binding() -> None:
    assert ("urn:xmpp:features:rosterver", "ver") in {(each.namespace, each.name) for each in STREAM_FEATURES}
