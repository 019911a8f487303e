"""13-3: updates go to the subscribers, and priority decides who receives messages (RFC 6121 §4.4, §4.7.2.3)."""

from __future__ import annotations

import pytest

from tests.support.accounts import Home, xml

ALICE, BOB = "alice@example.com", "bob@example.net"
MESSAGE = f"<message from='{BOB}/x' to='{ALICE}' type='chat'><body>Hi</body></message>"


def with_priority(priority: str) -> str:
    return f"<presence id='p'><priority>{priority}</priority></presence>"


def test_update_goes_to_subscribers_and_own_resources() -> None:
    home = Home("alice")
    home.befriend("alice", BOB, "from")
    phone, desk = home.client("alice", "phone").online(), home.client("alice", "desk").online()
    phone.heard()
    home.world.heard()
    phone.say("<presence><show>xa</show></presence>")
    assert home.world.heard() == xml(f"<presence from='{ALICE}/phone' to='{BOB}'><show>xa</show></presence>")
    to_ourselves = xml(f"<presence from='{ALICE}/phone' to='{ALICE}'><show>xa</show></presence>")
    assert phone.heard() == desk.heard() == to_ourselves


@pytest.mark.parametrize(
    ("priority", "receives"), [("0", True), ("127", True), ("+5", True), ("-1", False), ("-128", False)]
)
def test_priority_that_is_negative_receives_nothing_for_the_account(priority: str, receives: bool) -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online(with_priority(priority))
    home.arrive(MESSAGE)
    assert phone.heard() == (xml(MESSAGE) if receives else [])
    assert len(home.kept("alice")) == (0 if receives else 1)


def test_priority_may_change() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online(with_priority("1"))
    phone.say(with_priority("-1"))
    phone.heard()
    home.arrive(MESSAGE)
    assert phone.heard() == []
    phone.say(with_priority("0"))
    heard = phone.heard()
    assert len(heard) == 2
    assert "<body>Hi</body><delay" in heard[1]


@pytest.mark.parametrize(
    "priority", ["128", "-129", "1.5", "high", "", "0x10", "1_0", "\u0661", "-", "-+5", "+-5", "9" * 5000]
)
def test_priority_that_is_none_is_refused_and_nobody_is_told(priority: str) -> None:
    home = Home("alice")
    home.befriend("alice", BOB, "from")
    phone = home.client("alice", "phone")
    phone.say(with_priority(priority))
    (refusal,) = phone.got
    assert (refusal.name, refusal.type, refusal.id) == ("presence", "error", "p")
    assert b"bad-request" in refusal.raw
    assert home.world.heard() == []
    assert phone.resource.presence is None


def test_priority_of_another_namespace_is_none() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone")
    phone.say("<presence><x xmlns='urn:x'><priority>-1</priority></x></presence>")
    assert phone.resource.priority == 0
