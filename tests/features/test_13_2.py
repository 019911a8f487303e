"""13-2: probes are answered by the rules of RFC 6121 §4.3.2 and §4.6.6."""

from __future__ import annotations

import pytest

from tests.support.accounts import Home, xml

ALICE, BOB = "alice@example.com", "bob@example.net"
PROBE = f"<presence from='{BOB}' to='{ALICE}' type='probe'/>"
DENIED = f"<presence from='{ALICE}' to='{BOB}' type='unsubscribed'/>"


def answers(subscription: str | None, *presences: str, probe: str = PROBE) -> list[str]:
    """Return what Bob gets when Alice's resources phone, desk ... have said these."""
    home = Home("alice")
    if subscription is not None:
        home.befriend("alice", BOB, subscription)
    for name, presence in zip(("phone", "desk"), presences, strict=False):
        home.client("alice", name).online(presence)
    home.world.heard()
    home.arrive(probe)
    return home.world.heard()


@pytest.mark.parametrize("subscription", ["from", "both"])
def test_subscriber_is_told_what_each_available_resource_said_last(subscription: str) -> None:
    presence = "<presence><show>away</show><priority>-1</priority></presence>"
    assert answers(subscription, presence, "<presence/>") == xml(
        f"<presence from='{ALICE}/phone' to='{BOB}'><show>away</show><priority>-1</priority></presence>",
        f"<presence from='{ALICE}/desk' to='{BOB}'/>",
    )


@pytest.mark.parametrize("presences", [(), ("",)])
def test_subscriber_is_told_that_nobody_is_there(presences: tuple[str, ...]) -> None:
    assert answers("from", *presences) == xml(f"<presence from='{ALICE}' to='{BOB}' type='unavailable'/>")


@pytest.mark.parametrize("presences", [(), ("",), ("<presence/>",)])
@pytest.mark.parametrize("subscription", [None, "none", "to"])
def test_anybody_else_is_told_that_he_has_no_subscription(subscription: str | None, presences: tuple[str, ...]) -> None:
    assert answers(subscription, *presences) == xml(DENIED)


def test_unknown_account_answers_as_one_that_shares_nothing() -> None:
    assert answers(None, probe=PROBE.replace("alice", "carol")) == xml(DENIED.replace("alice", "carol"))


@pytest.mark.parametrize("online", [True, False])
def test_request_that_waits_is_not_denied_by_a_probe(online: bool) -> None:
    home = Home("alice")
    home.arrive(PROBE.replace("probe", "subscribe"))
    if online:
        home.client("alice", "phone").online()
    home.arrive(PROBE)
    assert home.world.heard() == []
    assert home.relation("alice", BOB).request is not None


def test_probe_for_one_resource_is_answered_for_that_one() -> None:
    to_phone, to_gone = PROBE.replace(ALICE, f"{ALICE}/phone"), PROBE.replace(ALICE, f"{ALICE}/gone")
    assert answers("from", "<presence/>", "<presence/>", probe=to_phone) == xml(
        f"<presence from='{ALICE}/phone' to='{BOB}'/>"
    )
    assert answers("from", "<presence/>", probe=to_gone) == xml(
        f"<presence from='{ALICE}/gone' to='{BOB}' type='unavailable'/>"
    )


def test_one_who_was_addressed_directly_learns_of_that_resource_alone() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online("<presence><status>Secret</status></presence>")
    home.client("alice", "desk").online()
    phone.say("<presence to='room@chat.example.net/alice'/>")
    home.world.heard()
    probe = "<presence from='room@chat.example.net/alice' to='alice@example.com/{}' type='probe'/>"
    home.arrive(probe.format("phone"))
    assert home.world.heard() == xml(f"<presence from='{ALICE}/phone' to='room@chat.example.net/alice'/>")
    home.arrive(probe.format("desk"))
    assert home.world.heard() == xml(f"<presence from='{ALICE}' to='room@chat.example.net' type='unsubscribed'/>")


def test_answer_goes_to_who_asked() -> None:
    assert answers("from", "<presence/>", probe=PROBE.replace(BOB, f"{BOB}/x")) == xml(
        f"<presence from='{ALICE}/phone' to='{BOB}/x'/>"
    )
