"""12-4: 'unsubscribe' ends the sender's own subscription, on both sides (RFC 6121 §3.3)."""

from __future__ import annotations

import pytest

from tests.support.accounts import Home, xml

ALICE, BOB = "alice@example.com", "bob@example.net"
END = f"<presence from='{BOB}' to='{ALICE}' type='unsubscribe'/>"


def push(version: str, item: str) -> str:
    return (
        f"<iq type='set' id='*' from='{ALICE}' to='{ALICE}/phone'>"
        f"<query xmlns='jabber:iq:roster' ver='{version}'>{item}</query></iq>"
    )


@pytest.mark.parametrize(("before", "after"), [("to", "none"), ("both", "from")])
def test_account_ends_its_subscription(before: str, after: str) -> None:
    home = Home("alice")
    home.befriend("alice", BOB, before)
    phone = home.client("alice", "phone").online()
    home.world.heard()
    phone.say(f"<presence to='{BOB}/x' type='unsubscribe'/>")
    assert home.world.heard() == xml(f"<presence from='{ALICE}' to='{BOB}' type='unsubscribe'/>")
    assert phone.heard() == xml(push("epoch-2", f"<item jid='{BOB}' subscription='{after}'/>"))


def test_it_goes_out_even_where_there_is_no_subscription() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online()
    phone.say(f"<presence to='{BOB}' type='unsubscribe'/>")
    assert home.world.heard() == xml(f"<presence from='{ALICE}' to='{BOB}' type='unsubscribe'/>")
    assert phone.heard() == []


@pytest.mark.parametrize(("before", "after"), [("from", "none"), ("both", "to")])
def test_contact_ends_his_and_is_told_that_everybody_left(before: str, after: str) -> None:
    home = Home("alice")
    home.befriend("alice", BOB, before)
    phone = home.client("alice", "phone").online()
    home.world.heard()
    home.arrive(END)
    assert phone.heard() == xml(END, push("epoch-2", f"<item jid='{BOB}' subscription='{after}'/>"))
    assert home.world.heard() == xml(
        f"<presence from='{ALICE}/phone' to='{BOB}' type='unavailable'/>",
        f"<presence from='{ALICE}' to='{BOB}' type='unsubscribed'/>",
    )


def test_contact_takes_his_request_back() -> None:
    home = Home("alice")
    home.arrive(END.replace("unsubscribe", "subscribe"))
    home.arrive(END)
    assert home.relation("alice", BOB).request is None
    phone = home.client("alice", "phone")
    phone.say("<presence/>")
    assert not [stanza for stanza in phone.got if stanza.type == "subscribe"]


@pytest.mark.parametrize("subscription", ["none", "to"])
def test_contact_who_has_none_to_end_is_not_heard(subscription: str) -> None:
    home = Home("alice")
    home.befriend("alice", BOB, subscription)
    phone = home.client("alice", "phone").online()
    home.world.heard()
    home.arrive(END)
    assert phone.heard() == home.world.heard() == []
