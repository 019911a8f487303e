"""12-5: a request can be approved before it comes (RFC 6121 §3.4)."""

from __future__ import annotations

from gateway.im.assembly import STREAM_FEATURES
from tests.support.accounts import Client, Home, xml

ALICE, BOB = "alice@example.com", "bob@example.net"
REQUEST = f"<presence from='{BOB}' to='{ALICE}' type='subscribe'/>"


def push(version: str, item: str) -> str:
    return (
        f"<iq type='set' id='*' from='{ALICE}' to='{ALICE}/phone'>"
        f"<query xmlns='jabber:iq:roster' ver='{version}'>{item}</query></iq>"
    )


def preapproved(home: Home) -> Client:
    phone = home.client("alice", "phone").online()
    phone.say(f"<presence to='{BOB}' type='subscribed'/>")
    return phone


def test_approval_in_advance_is_noted_and_not_sent() -> None:
    home = Home("alice")
    phone = preapproved(home)
    assert home.world.heard() == []
    assert phone.heard() == xml(push("epoch-1", f"<item jid='{BOB}' subscription='none' approved='true'/>"))


def test_request_is_then_approved_at_once_and_shown_to_nobody() -> None:
    home = Home("alice")
    phone = preapproved(home)
    phone.heard()
    home.arrive(REQUEST)
    assert home.world.heard() == xml(
        f"<presence from='{ALICE}' to='{BOB}' type='subscribed'/>", f"<presence from='{ALICE}/phone' to='{BOB}'/>"
    )
    assert phone.heard() == xml(push("epoch-2", f"<item jid='{BOB}' subscription='from' approved='true'/>"))


def test_request_is_approved_for_who_is_away() -> None:
    home = Home("alice")
    preapproved(home).leave()
    home.arrive(REQUEST)
    assert home.world.heard() == xml(f"<presence from='{ALICE}' to='{BOB}' type='subscribed'/>")
    assert home.relation("alice", BOB).item.subscription == "from"


def test_approval_in_advance_is_taken_back_and_nobody_hears_of_it() -> None:
    home = Home("alice")
    phone = preapproved(home)
    phone.heard()
    phone.say(f"<presence to='{BOB}' type='unsubscribed'/>")
    assert home.world.heard() == []
    assert phone.heard() == xml(push("epoch-2", f"<item jid='{BOB}' subscription='none'/>"))
    home.arrive(REQUEST)
    assert home.world.heard() == []
    assert phone.heard() == xml(REQUEST)


def test_it_is_advertised_before_binding() -> None:
    assert ("urn:xmpp:features:pre-approval", "sub") in {(each.namespace, each.name) for each in STREAM_FEATURES}
