"""11-2: a client adds, changes and removes contacts, and is told what is wrong with a set (RFC 6121 §2.3 to §2.5)."""

from __future__ import annotations

import pytest

from gateway.im.limits import AccountLimits
from gateway.storage.records import RosterItem, StoreLimits, Subscription
from tests.support.accounts import Client, Home, xml

BOB = "bob@example.net"


def roster_set(*items: str) -> str:
    return f"<iq type='set' id='s'><query xmlns='jabber:iq:roster'>{''.join(items)}</query></iq>"


def answer(client: Client, request: str) -> str:
    """'result', or type and condition of the error."""
    client.say(request)
    replies = [stanza for stanza in client.got if stanza.id == "s"]
    client.got = []
    assert len(replies) == 1
    if replies[0].type == "result":
        return "result"
    error = replies[0].element.first(name="error")
    assert error is not None
    condition = next(error.elements())
    return f"{error.get('type')} {condition.name}"


def test_contact_is_added_changed_and_removed() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone")
    assert answer(phone, roster_set(f"<item jid='{BOB}' name='Bob'><group>Friends</group></item>")) == "result"
    assert home.relation("alice", BOB).item == RosterItem(contact=BOB, name="Bob", groups=frozenset({"Friends"}))
    assert answer(phone, roster_set(f"<item jid='{BOB}'/>")) == "result"
    assert home.relation("alice", BOB).item == RosterItem(contact=BOB)
    assert answer(phone, roster_set(f"<item jid='{BOB}' subscription='remove'/>")) == "result"
    assert home.relation("alice", BOB).item is None


def test_what_only_the_server_may_set_is_ignored() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone")
    assert (
        answer(phone, roster_set(f"<item jid='{BOB}' subscription='both' ask='subscribe' approved='true'/>"))
        == "result"
    )
    assert home.relation("alice", BOB).item == RosterItem(contact=BOB)


def test_change_leaves_the_subscription_alone() -> None:
    home = Home("alice")
    home.befriend("alice", BOB, "to")
    phone = home.client("alice", "phone")
    assert answer(phone, roster_set(f"<item jid='{BOB}' name='Bob' subscription='none'/>")) == "result"
    assert home.relation("alice", BOB).item == RosterItem(contact=BOB, name="Bob", subscription=Subscription.TO)


def test_address_is_prepared() -> None:
    home = Home("alice")
    assert answer(home.client("alice"), roster_set("<item jid='BOB@EXAMPLE.NET'/>")) == "result"
    assert home.relation("alice", BOB).item == RosterItem(contact=BOB)


MANY = "".join(f"<group>{number}</group>" for number in range(10_000))


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (roster_set(), "modify bad-request"),
        (roster_set(f"<item jid='{BOB}'/>", "<item jid='carol@example.net'/>"), "modify bad-request"),
        (roster_set("<contact/>"), "modify bad-request"),
        (roster_set("<item xmlns='urn:other' jid='bob@example.net'/>"), "modify bad-request"),
        (roster_set("<item name='Bob'/>"), "modify bad-request"),
        (roster_set("<item jid='@example.net'/>"), "modify jid-malformed"),
        (roster_set("<item jid=''/>"), "modify jid-malformed"),
        (roster_set(f"<item jid='{'b' * 1024}@example.net'/>"), "modify jid-malformed"),
        (roster_set("<item jid='bo\u00adb \u200b@example.net'/>"), "modify jid-malformed"),
        (roster_set(f"<item jid='{BOB}/phone'/>"), "modify bad-request"),
        (roster_set("<item jid='alice@example.com'/>"), "cancel not-allowed"),
        (roster_set(f"<item jid='{BOB}' name='{'n' * 1024}'/>"), "modify not-acceptable"),
        (roster_set(f"<item jid='{BOB}' name='{'é' * 512}'/>"), "modify not-acceptable"),
        (roster_set(f"<item jid='{BOB}'><group/></item>"), "modify not-acceptable"),
        (roster_set(f"<item jid='{BOB}'><group>{'g' * 1024}</group></item>"), "modify not-acceptable"),
        (roster_set(f"<item jid='{BOB}'><group>a</group><group>a</group></item>"), "modify bad-request"),
        (roster_set(f"<item jid='{BOB}'>{MANY}</item>"), "modify not-acceptable"),
        (roster_set(f"<item jid='{BOB}' subscription='remove'/>"), "cancel item-not-found"),
        ("<iq type='set' id='s'/>", "modify bad-request"),
        ("<iq type='nonsense' id='s'><query xmlns='jabber:iq:roster'/></iq>", "modify bad-request"),
    ],
)
def test_mistake_is_answered_and_changes_nothing(request_: str, error: str) -> None:
    home = Home("alice")
    phone = home.client("alice", "phone")
    assert answer(phone, request_) == error
    assert home.relation("alice", BOB).item is None
    assert phone.resource.account.roster is not None
    assert phone.resource.account.roster.items == {}


def test_full_roster_is_a_resource_constraint() -> None:
    home = Home("alice", store_limits=StoreLimits(roster_items=2))
    phone = home.client("alice", "phone")
    answers = [answer(phone, roster_set(f"<item jid='{name}@example.net'/>")) for name in ("a", "b", "c")]
    assert answers == ["result", "result", "wait resource-constraint"]
    assert answer(phone, roster_set("<item jid='a@example.net' name='A'/>")) == "result"


def test_item_that_is_too_large_is_a_resource_constraint() -> None:
    home = Home("alice", limits=AccountLimits(groups=100), store_limits=StoreLimits(item_bytes=1000))
    groups = "".join(f"<group>{str(number) * 20}</group>" for number in range(90))
    assert answer(home.client("alice"), roster_set(f"<item jid='{BOB}'>{groups}</item>")) == "wait resource-constraint"


@pytest.mark.parametrize(
    ("subscription", "told"),
    [
        ("none", []),
        ("to", ["unsubscribe"]),
        ("from", ["unavailable", "unsubscribed"]),
        ("both", ["unavailable", "unsubscribe", "unsubscribed"]),
    ],
)
def test_removal_ends_the_subscriptions(subscription: str, told: list[str]) -> None:
    home = Home("alice")
    home.befriend("alice", BOB, subscription)
    phone = home.client("alice", "phone").online()
    home.world.heard()
    phone.say(roster_set(f"<item jid='{BOB}' subscription='remove'/>"))
    sender = {"unavailable": "alice@example.com/phone"}
    assert home.world.heard() == xml(
        *(f"<presence from='{sender.get(type_, 'alice@example.com')}' to='{BOB}' type='{type_}'/>" for type_ in told)
    )


def test_removal_denies_a_request_that_waits() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online()
    phone.say(roster_set(f"<item jid='{BOB}'/>"))
    home.arrive(f"<presence from='{BOB}' to='alice@example.com' type='subscribe'/>")
    phone.say(roster_set(f"<item jid='{BOB}' subscription='remove'/>"))
    assert home.world.heard() == xml(f"<presence from='alice@example.com' to='{BOB}' type='unsubscribed'/>")
    assert home.relation("alice", BOB).request is None
