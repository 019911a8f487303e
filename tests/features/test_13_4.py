"""13-4: subscribers learn that a resource is gone, also when its connection just dies (RFC 6121 §4.5)."""

from __future__ import annotations

from tests.support.accounts import Home, xml

ALICE, BOB = "alice@example.com", "bob@example.net"


def gone(to: str, content: str = "") -> str:
    return f"<presence from='{ALICE}/phone' to='{to}' type='unavailable'>{content}</presence>"


def test_client_that_says_so() -> None:
    home = Home("alice")
    home.befriend("alice", BOB, "from")
    home.befriend("alice", "to@example.net", "to")
    phone, desk = home.client("alice", "phone").online(), home.client("alice", "desk").online()
    phone.heard()
    home.world.heard()
    phone.say("<presence type='unavailable'><status>Bye</status></presence>")
    assert home.world.heard() == xml(gone(BOB, "<status>Bye</status>"))
    assert phone.heard() == desk.heard() == xml(gone(ALICE, "<status>Bye</status>"))


def test_client_that_dies() -> None:
    home = Home("alice")
    home.befriend("alice", BOB, "from")
    phone, desk = home.client("alice", "phone").online(), home.client("alice", "desk").online()
    phone.heard()
    home.world.heard()
    phone.leave()
    assert home.world.heard() == xml(gone(BOB))
    assert desk.heard() == xml(gone(ALICE))
    assert phone.heard() == []


def test_client_that_says_so_and_goes_is_told_of_once() -> None:
    home = Home("alice")
    home.befriend("alice", BOB, "from")
    phone = home.client("alice", "phone").online()
    home.world.heard()
    phone.say("<presence type='unavailable'/>")
    phone.leave()
    phone.leave()
    assert home.world.heard() == xml(gone(BOB))


def test_client_that_was_never_available_is_not_told_of() -> None:
    home = Home("alice")
    home.befriend("alice", BOB, "from")
    phone = home.client("alice", "phone").online("")
    phone.say("<presence type='unavailable'/>")
    phone.leave()
    assert home.world.heard() == []


def test_client_that_dies_while_its_presence_waits_for_the_store() -> None:
    home = Home("alice", slow=True)
    home.befriend("alice", BOB, "from")
    phone = home.client("alice", "phone")
    phone.say("<presence/>")
    phone.leave()
    home.store.answer_all()
    assert home.world.heard() == []


def test_nothing_more_is_delivered_to_a_client_that_is_gone() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online()
    phone.leave()
    home.arrive(f"<message from='{BOB}' to='{ALICE}/phone' type='chat'><body>Hi</body></message>")
    assert phone.heard() == []
    assert len(home.kept("alice")) == 1


def test_account_is_not_in_memory_any_more() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online()
    phone.leave()
    assert len(home.domain._accounts) == 0
