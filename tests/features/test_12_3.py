"""12-3: 'unsubscribed' denies a request or ends a contact's subscription, on both sides (RFC 6121 §3.2)."""

from __future__ import annotations

import pytest

from tests.support.accounts import Home, xml

ALICE, BOB = "alice@example.com", "bob@example.net"
DENIAL = f"<presence from='{BOB}' to='{ALICE}' type='unsubscribed'/>"


def push(version: str, item: str) -> str:
    return (
        f"<iq type='set' id='*' from='{ALICE}' to='{ALICE}/phone'>"
        f"<query xmlns='jabber:iq:roster' ver='{version}'>{item}</query></iq>"
    )


def test_request_is_denied() -> None:
    home = Home("alice")
    home.arrive(f"<presence from='{BOB}' to='{ALICE}' type='subscribe'/>")
    phone = home.client("alice", "phone").online()
    phone.say(f"<presence to='{BOB}' type='unsubscribed'/>")
    assert home.world.heard() == xml(f"<presence from='{ALICE}' to='{BOB}' type='unsubscribed'/>")
    assert phone.heard() == []
    assert home.relation("alice", BOB).request is None


@pytest.mark.parametrize(("before", "after"), [("from", "none"), ("both", "to")])
def test_subscription_of_a_contact_is_ended_and_he_sees_everybody_leave_first(before: str, after: str) -> None:
    home = Home("alice")
    home.befriend("alice", BOB, before)
    phone = home.client("alice", "phone").online()
    home.client("alice", "desk").online()
    home.world.heard()
    phone.heard()
    phone.say(f"<presence to='{BOB}' type='unsubscribed'/>")
    assert home.world.heard() == xml(
        f"<presence from='{ALICE}/phone' to='{BOB}' type='unavailable'/>",
        f"<presence from='{ALICE}/desk' to='{BOB}' type='unavailable'/>",
        f"<presence from='{ALICE}' to='{BOB}' type='unsubscribed'/>",
    )
    assert phone.heard() == xml(push("epoch-2", f"<item jid='{BOB}' subscription='{after}'/>"))


@pytest.mark.parametrize("subscription", [None, "none", "to"])
def test_nothing_goes_out_where_nothing_is_to_be_ended(subscription: str | None) -> None:
    home = Home("alice")
    if subscription:
        home.befriend("alice", BOB, subscription)
    phone = home.client("alice", "phone").online()
    home.world.heard()
    phone.say(f"<presence to='{BOB}' type='unsubscribed'/>")
    assert home.world.heard() == phone.heard() == []


@pytest.mark.parametrize(("before", "after"), [("to", "none"), ("both", "from")])
def test_account_whose_subscription_is_ended_is_told_before_the_push(before: str, after: str) -> None:
    home = Home("alice")
    home.befriend("alice", BOB, before)
    phone = home.client("alice", "phone").online()
    home.world.heard()
    home.arrive(DENIAL)
    assert phone.heard() == xml(DENIAL, push("epoch-2", f"<item jid='{BOB}' subscription='{after}'/>"))
    assert home.world.heard() == []


def test_denial_of_a_request_ends_the_wait() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online()
    phone.say(f"<presence to='{BOB}' type='subscribe'/>")
    phone.heard()
    home.arrive(DENIAL)
    assert phone.heard() == xml(DENIAL, push("epoch-2", f"<item jid='{BOB}' subscription='none'/>"))


@pytest.mark.parametrize("subscription", ["none", "from"])
def test_denial_that_concerns_nothing_is_dropped(subscription: str) -> None:
    home = Home("alice")
    home.befriend("alice", BOB, subscription)
    phone = home.client("alice", "phone").online()
    home.world.heard()
    home.arrive(DENIAL)
    assert phone.heard() == home.world.heard() == []
