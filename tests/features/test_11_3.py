"""11-3: every change of a roster is pushed to each interested resource, and to no other (RFC 6121 §2.1.6)."""

from __future__ import annotations

from tests.support.accounts import Home, xml

GET = "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"
SET = "<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='bob@example.net' name='Bob'/></query></iq>"


def push(resource: str, version: str, item: str) -> str:
    return (
        f"<iq type='set' id='*' from='alice@example.com' to='alice@example.com/{resource}'>"
        f"<query xmlns='jabber:iq:roster' ver='{version}'>{item}</query></iq>"
    )


RESULT = "<iq type='result' id='s' from='alice@example.com' to='alice@example.com/phone'/>"


def test_each_interested_resource_is_told_available_or_not() -> None:
    home = Home("alice")
    phone, desk, car = (home.client("alice", name) for name in ("phone", "desk", "car"))
    phone.say(GET, "<presence/>")
    desk.say(GET)
    car.say("<presence/>")
    for client in (phone, desk, car):
        client.heard()
    phone.say(SET)
    item = "<item jid='bob@example.net' name='Bob' subscription='none'/>"
    assert phone.heard() == xml(push("phone", "epoch-1", item), RESULT)
    assert desk.heard() == xml(push("desk", "epoch-1", item))
    assert car.heard() == []


def test_who_sets_without_interest_gets_the_result_alone() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone")
    phone.say(SET)
    assert phone.heard() == xml(RESULT)


def test_removal_is_pushed() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone")
    phone.say(GET, SET)
    phone.heard()
    phone.say(SET.replace("name='Bob'", "subscription='remove'"))
    removed = "<item jid='bob@example.net' subscription='remove'/>"
    assert phone.heard() == xml(push("phone", "epoch-2", removed), RESULT)


def test_set_that_changes_nothing_is_not_pushed() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone")
    phone.say(GET, SET)
    phone.heard()
    phone.say(SET)
    assert phone.heard() == xml(RESULT)


def test_subscriptions_that_change_are_pushed() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone")
    phone.say(GET)
    phone.heard()
    phone.say("<presence to='bob@example.net' type='subscribe'/>")
    asked = "<item jid='bob@example.net' subscription='none' ask='subscribe'/>"
    assert phone.heard() == xml(push("phone", "epoch-1", asked))
    approval = "<presence from='bob@example.net' to='alice@example.com' type='subscribed'/>"
    home.arrive(approval)
    subscribed = "<item jid='bob@example.net' subscription='to'/>"
    assert phone.heard() == xml(approval, push("phone", "epoch-2", subscribed))


def test_ids_of_pushes_differ() -> None:
    home = Home("alice")
    phone, desk = home.client("alice", "phone"), home.client("alice", "desk")
    phone.say(GET)
    desk.say(GET)
    phone.say(SET, SET.replace("Bob", "Robert"))
    pushes = [stanza.id for client in (phone, desk) for stanza in client.got if stanza.type == "set"]
    assert len(set(pushes)) == len(pushes) == 4


def test_resource_that_has_left_is_not_told() -> None:
    home = Home("alice")
    phone, desk = home.client("alice", "phone"), home.client("alice", "desk")
    desk.say(GET)
    desk.heard()
    desk.leave()
    phone.say(SET)
    assert desk.heard() == []
