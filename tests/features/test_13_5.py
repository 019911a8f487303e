"""13-5: directed presence goes to one entity, which is remembered until it is told otherwise (RFC 6121 §4.6)."""

from __future__ import annotations

from gateway.im.limits import AccountLimits
from tests.support.accounts import Home, xml

ALICE, BOB, ROOM = "alice@example.com", "bob@example.net", "room@chat.example.net/nick"


def gone(to: str) -> str:
    return f"<presence from='{ALICE}/phone' to='{to}' type='unavailable'/>"


def test_it_goes_to_that_entity_alone_as_it_is() -> None:
    home = Home("alice")
    home.befriend("alice", BOB, "from")
    phone, desk = home.client("alice", "phone").online(), home.client("alice", "desk").online()
    phone.heard()
    home.world.heard()
    phone.say(f"<presence to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    assert home.world.heard() == xml(
        f"<presence from='{ALICE}/phone' to='{ROOM}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
    )
    assert phone.heard() == desk.heard() == []


def test_entity_is_told_when_the_resource_goes() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online()
    phone.say(f"<presence to='{ROOM}'/>")
    home.world.heard()
    phone.say("<presence type='unavailable'/>")
    assert home.world.heard() == xml(gone(ROOM))
    phone.leave()
    assert home.world.heard() == []


def test_entity_is_told_when_the_connection_dies_even_without_initial_presence() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone")
    phone.say(f"<presence to='{ROOM}'/>")
    home.world.heard()
    phone.leave()
    assert home.world.heard() == xml(gone(ROOM))


def test_entity_that_was_told_is_forgotten() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online()
    phone.say(f"<presence to='{ROOM}'/>", f"<presence to='{ROOM}' type='unavailable'/>")
    home.world.heard()
    phone.leave()
    assert home.world.heard() == []


def test_entity_that_answers_with_an_error_is_forgotten() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online()
    phone.say(f"<presence to='{ROOM}'/>")
    home.world.heard()
    error = f"<presence from='{ROOM}' to='{ALICE}/phone' type='error'><error type='cancel'/></presence>"
    home.arrive(error)
    assert phone.heard() == xml(error)
    phone.leave()
    assert home.world.heard() == []


def test_updates_do_not_reach_it() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online()
    phone.say(f"<presence to='{ROOM}'/>")
    home.world.heard()
    phone.say("<presence><show>away</show></presence>")
    assert home.world.heard() == []


def test_subscriber_is_told_once() -> None:
    home = Home("alice")
    home.befriend("alice", BOB, "from")
    phone = home.client("alice", "phone").online()
    phone.say(f"<presence to='{BOB}'/>", f"<presence to='{BOB}/x'/>")
    home.world.heard()
    phone.leave()
    assert home.world.heard() == xml(gone(BOB))


def test_own_resource_is_not_remembered_as_it_sees_all_anyway() -> None:
    home = Home("alice")
    phone, desk = home.client("alice", "phone").online(), home.client("alice", "desk").online()
    phone.say(f"<presence to='{ALICE}/desk'/>")
    desk.heard()
    phone.leave()
    assert desk.heard() == xml(gone(ALICE))


def test_targets_are_bounded() -> None:
    home = Home("alice", limits=AccountLimits(directed=3))
    phone = home.client("alice", "phone")
    for number in range(4):
        phone.say(f"<presence to='room{number}@chat.example.net/nick' id='{number}'/>")
    (refusal,) = phone.got
    assert (refusal.type, refusal.id) == ("error", "3")
    assert b"policy-violation" in refusal.raw
    assert len(home.world.got) == 3
    phone.say("<presence to='room0@chat.example.net/nick' type='unavailable'/>")
    phone.say("<presence to='room3@chat.example.net/nick'/>")
    assert len(home.world.got) == 5
