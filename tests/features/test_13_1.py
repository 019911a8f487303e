"""13-1: initial presence is broadcast, and contacts are asked for theirs (RFC 6121 §4.2, §4.3.1)."""

from __future__ import annotations

from tests.support.accounts import Home, xml

ALICE = "alice@example.com"


def test_subscribers_are_told_and_those_subscribed_to_are_asked() -> None:
    home = Home("alice")
    for subscription in ("none", "to", "from", "both"):
        home.befriend("alice", f"{subscription}@example.net", subscription)
    phone = home.client("alice", "phone")
    phone.say("<presence><show>chat</show></presence>")
    assert home.world.heard() == xml(
        f"<presence from='{ALICE}/phone' to='both@example.net'><show>chat</show></presence>",
        f"<presence from='{ALICE}/phone' to='from@example.net'><show>chat</show></presence>",
        f"<presence from='{ALICE}' to='both@example.net' type='probe'/>",
        f"<presence from='{ALICE}' to='to@example.net' type='probe'/>",
    )


def test_own_resources_see_each_other() -> None:
    home = Home("alice")
    phone, quiet, desk = (home.client("alice", name) for name in ("phone", "quiet", "desk"))
    phone.say("<presence/>")
    assert phone.heard() == xml(f"<presence from='{ALICE}/phone' to='{ALICE}'/>")
    desk.say("<presence><show>away</show></presence>")
    of_desk = f"<presence from='{ALICE}/desk' to='{ALICE}'><show>away</show></presence>"
    assert phone.heard() == xml(of_desk)
    assert desk.heard() == xml(of_desk, f"<presence from='{ALICE}/phone' to='{ALICE}'/>")
    assert quiet.heard() == []


def test_update_asks_nobody_again() -> None:
    home = Home("alice")
    home.befriend("alice", "bob@example.net", "to")
    phone = home.client("alice", "phone").online()
    home.world.heard()
    phone.say("<presence><show>away</show></presence>")
    assert home.world.heard() == []


def test_resource_that_comes_back_asks_again() -> None:
    home = Home("alice")
    home.befriend("alice", "bob@example.net", "to")
    phone = home.client("alice", "phone").online()
    home.world.heard()
    phone.say("<presence type='unavailable'/>", "<presence/>")
    assert home.world.heard() == xml(f"<presence from='{ALICE}' to='bob@example.net' type='probe'/>")


def test_contact_of_the_same_domain_who_is_there_answers() -> None:
    home = Home("alice", "dora", "away")
    home.befriend("alice", "dora@example.com")
    home.befriend("alice", "away@example.com")
    home.befriend("dora", ALICE)
    desk = home.client("dora", "desk").online()
    phone = home.client("alice", "phone").online()
    assert desk.heard() == xml(f"<presence from='{ALICE}/phone' to='dora@example.com'/>")
    phone.say("<presence type='unavailable'/>", "<presence/>")
    assert phone.heard() == xml(
        f"<presence from='{ALICE}/phone' to='{ALICE}' type='unavailable'/>",
        f"<presence from='{ALICE}/phone' to='{ALICE}'/>",
        f"<presence from='dora@example.com/desk' to='{ALICE}'/>",
    )


def test_offline_contacts_of_the_same_domain_cost_the_store_nothing() -> None:
    home = Home("alice", *(f"friend{number}" for number in range(50)), slow=True)
    for number in range(50):
        home.befriend("alice", f"friend{number}@example.com")
    phone = home.client("alice", "phone")
    home.store.answer_all()
    phone.say("<presence/>")
    assert [name for name, _ in home.store.calls] == ["requests"]
