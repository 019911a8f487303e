"""12-2: an approval makes the subscription, on both sides (RFC 6121 §3.1.4 to §3.1.6)."""

from __future__ import annotations

import pytest

from tests.support.accounts import Home, xml

ALICE, BOB = "alice@example.com", "bob@example.net"
REQUEST = f"<presence from='{BOB}' to='{ALICE}' type='subscribe'/>"
APPROVAL = f"<presence from='{BOB}' to='{ALICE}' type='subscribed'/>"


def push(resource: str, version: str, item: str) -> str:
    return (
        f"<iq type='set' id='*' from='{ALICE}' to='{ALICE}/{resource}'>"
        f"<query xmlns='jabber:iq:roster' ver='{version}'>{item}</query></iq>"
    )


def test_approval_goes_out_with_presence_of_every_available_resource() -> None:
    home = Home("alice")
    home.arrive(REQUEST)
    phone = home.client("alice", "phone").online("<presence><show>away</show></presence>")
    home.client("alice", "desk").online("")
    phone.heard()
    phone.say(f"<presence to='{BOB}/somewhere' type='subscribed'/>")
    assert home.world.heard() == xml(
        f"<presence from='{ALICE}' to='{BOB}' type='subscribed'/>",
        f"<presence from='{ALICE}/phone' to='{BOB}'><show>away</show></presence>",
    )
    assert phone.heard() == xml(push("phone", "epoch-1", f"<item jid='{BOB}' subscription='from'/>"))
    assert home.relation("alice", BOB).request is None


def test_approval_that_was_asked_for_reaches_interested_resources_before_the_push() -> None:
    home = Home("alice")
    phone, car = home.client("alice", "phone").online(), home.client("alice", "car")
    car.say("<presence/>")
    phone.say(f"<presence to='{BOB}' type='subscribe'/>")
    phone.heard()
    car.heard()
    home.arrive(APPROVAL)
    assert phone.heard() == xml(APPROVAL, push("phone", "epoch-2", f"<item jid='{BOB}' subscription='to'/>"))
    assert car.heard() == []  # it never asked for the roster
    presence = f"<presence from='{BOB}/x' to='{ALICE}'/>"
    home.arrive(presence)
    assert phone.heard() == car.heard() == xml(presence)


def test_approval_for_who_is_away_is_in_the_roster_when_he_comes() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone")
    phone.say(f"<presence to='{BOB}' type='subscribe'/>")
    phone.leave()
    home.arrive(APPROVAL)
    assert home.relation("alice", BOB).item.subscription == "to"


@pytest.mark.parametrize("subscription", [None, "none", "from", "to", "both"])
def test_approval_that_nobody_asked_for_changes_nothing(subscription: str | None) -> None:
    home = Home("alice")
    if subscription:
        home.befriend("alice", BOB, subscription)
    phone = home.client("alice", "phone").online()
    before = home.relation("alice", BOB)
    home.world.heard()
    home.arrive(APPROVAL)
    assert phone.heard() == home.world.heard() == []
    assert home.relation("alice", BOB) == before


def test_two_accounts_of_one_domain_see_each_other() -> None:
    home = Home("alice", "dora")
    phone, desk = home.client("alice", "phone").online(), home.client("dora", "desk").online()
    phone.say("<presence to='dora@example.com' type='subscribe'/>")
    phone.heard()
    desk.say("<presence to='alice@example.com' type='subscribed'/>")
    assert phone.heard() == xml(
        "<presence from='dora@example.com' to='alice@example.com' type='subscribed'/>",
        push("phone", "epoch-2", "<item jid='dora@example.com' subscription='to'/>"),
        "<presence from='dora@example.com/desk' to='alice@example.com'/>",
    )
