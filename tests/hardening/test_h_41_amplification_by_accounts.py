"""H-41: no sender makes an account send much more than it got: bounces are small, probes and fan-out are bounded."""

from __future__ import annotations

import pytest

from gateway.im.answer_rates import BYTES_A_SECOND, SECONDS_AT_ONCE
from gateway.im.limits import AccountLimits
from gateway.storage.records import StoreLimits
from tests.support.accounts import Home

ALICE, EVE = "alice@example.com", "eve@example.net"
LARGE = "x" * 200_000


@pytest.mark.parametrize(
    "text",
    [
        f"<message from='{EVE}/x' to='nobody@example.com' type='chat'><body>{LARGE}</body></message>",
        f"<message from='{EVE}/x' to='{ALICE}' type='groupchat'><body>{LARGE}</body></message>",
        f"<iq from='{EVE}/x' to='{ALICE}' type='set' id='1'><query xmlns='jabber:iq:roster'>{LARGE}</query></iq>",
        f"<iq from='{EVE}/x' to='{ALICE}/gone' type='get' id='{LARGE[:1000]}'><query xmlns='urn:x'/></iq>",
        f"<presence from='{EVE}' to='{ALICE}' type='{LARGE[:1000]}'/>",
        f"<presence from='{EVE}/x' to='{ALICE}/gone' type='probe'/>",
        f"<presence from='{EVE}/x' to='nobody@example.com' type='probe'><x>{LARGE}</x></presence>",
        f"<presence from='{EVE}/x' to='{ALICE}' type='unsubscribe'/>",
    ],
)
def test_h_41_answer_is_one_and_no_larger_than_its_cause_plus_1_kb(text: str) -> None:
    home = Home("alice")
    home.arrive(text)
    assert len(home.world.got) <= 1
    assert sum(len(answer.raw) for answer in home.world.got) <= len(text) + 1024


def test_h_41_stranger_who_probes_gets_the_same_small_answer_however_many_resources_there_are() -> None:
    home = Home("alice")
    for number in range(20):
        home.client("alice", f"r{number}").online(f"<presence><status>{'s' * 10_000}</status></presence>")
    home.arrive(f"<presence from='{EVE}' to='{ALICE}' type='probe'/>")
    (answer,) = home.world.got
    assert len(answer.raw) < 200


def test_h_41_resources_of_an_account_are_bounded() -> None:
    home = Home("alice", limits=AccountLimits(resources=3))
    for _ in range(3):
        home.client("alice")
    with pytest.raises(Exception, match="resource-constraint"):
        home.client("alice")


def test_h_41_flood_of_presence_becomes_a_trickle_and_the_last_word_gets_through() -> None:
    home = Home("alice", limits=AccountLimits(presence_burst=5, presence_seconds=2))
    for number in range(30):
        home.befriend("alice", f"friend{number}@example.net", "from")
    phone = home.client("alice", "phone")
    for number in range(1000):
        phone.say(f"<presence><status>{number}</status></presence>")
    assert len(home.world.got) == 5 * 30
    home.world.heard()
    home.clock.advance(2)
    assert {stanza.element.first(name="status").text for stanza in home.world.got} == {"999"}  # type: ignore[union-attr]
    assert len(home.world.got) == 30
    home.world.heard()
    home.clock.advance(60)
    assert home.world.heard() == []


def test_h_41_coming_and_going_is_throttled_and_ends_in_the_right_state() -> None:
    home = Home("alice", limits=AccountLimits(presence_burst=4, presence_seconds=1))
    home.befriend("alice", "bob@example.net", "from")
    phone = home.client("alice", "phone")
    for _ in range(50):
        phone.say("<presence/>", "<presence type='unavailable'/>")
    assert len(home.world.got) == 4
    phone.say("<presence><show>dnd</show></presence>")
    home.clock.advance(1)
    assert b"dnd" in home.world.got[-1].raw
    assert phone.resource.presence is not None
    phone.say("<presence/>")
    phone.leave()
    assert home.world.got[-1].type == "unavailable"
    assert home.clock.getDelayedCalls() == []


def test_h_41_presence_that_goes_to_everybody_is_small() -> None:
    home = Home("alice", limits=AccountLimits(presence_bytes=1000))
    home.befriend("alice", "bob@example.net", "from")
    phone = home.client("alice", "phone")
    phone.say(f"<presence><status>{'s' * 1000}</status></presence>")
    (refusal,) = phone.got
    assert b"policy-violation" in refusal.raw
    assert home.world.heard() == []


def test_h_41_stanzas_that_wait_for_the_store_are_bounded_and_each_has_its_end() -> None:
    home = Home("alice", limits=AccountLimits(waiting=10), slow=True)
    for number in range(30):
        home.arrive(f"<message from='{EVE}/x' to='{ALICE}' type='chat' id='{number}'><body>Hi</body></message>")
    bounced = {stanza.id for stanza in home.world.got}
    assert all(b"resource-constraint" in stanza.raw for stanza in home.world.got)
    home.store.answer_all()
    assert len(bounced) == 20
    assert len(home.kept("alice")) == 10
    assert len(home.domain._accounts) == 0


def test_h_41_senders_are_asked_to_pause_while_much_waits_for_the_store() -> None:
    home = Home(slow=True)
    pause = None
    for number in range(20_000):
        pause = (
            home.arrive(f"<message from='{EVE}/x' to='a{number % 100}@example.com'><body>Hi</body></message>") or pause
        )
        if pause is not None:
            break
    assert pause is not None
    assert number < 11_000
    going_on: list[object] = []
    pause.addCallback(going_on.append)
    home.store.answer_all()
    assert going_on == [None]


def test_h_41_offline_messages_are_bounded_by_number_and_bytes() -> None:
    home = Home("alice", store_limits=StoreLimits(offline_messages=3, offline_bytes=1000))
    message = f"<message from='{EVE}/x' to='{ALICE}' type='chat'><body>{{}}</body></message>"
    home.arrive(message.format("x" * 900), *(message.format("Hi") for _ in range(5)))
    assert len(home.kept("alice")) == 3
    assert len(home.world.got) == 3
    assert all(b"service-unavailable" in stanza.raw for stanza in home.world.got)


CARD = "<vCard xmlns='vcard-temp'/>"
CARD_BYTES = 100_000


def asked_for_card(home: Home, sender: str, to: str = ALICE) -> int:
    """Return the size of the answer to one request for a card."""
    home.world.got.clear()
    home.arrive(f"<iq from='{sender}/x' to='{to}' type='get' id='1'>{CARD}</iq>")
    return sum(len(answer.raw) for answer in home.world.got)


def test_h_41_cards_that_one_domain_asks_for_are_bounded_in_bytes() -> None:
    home = Home("alice")
    note = f"<NOTE>{'x' * CARD_BYTES}</NOTE>"
    home.client("alice").say(f"<iq type='set' id='1'><vCard xmlns='vcard-temp'>{note}</vCard></iq>")
    answered = 0
    for number in range(2 * BYTES_A_SECOND * SECONDS_AT_ONCE // CARD_BYTES):
        answered += asked_for_card(home, f"e{number}@{number}.example.net") > CARD_BYTES
    assert answered == pytest.approx(BYTES_A_SECOND * SECONDS_AT_ONCE / CARD_BYTES, rel=0.01)
    asked_for_card(home, EVE)
    refused = home.world.heard()
    assert "resource-constraint" in refused[0]
    asked_for_card(home, EVE, to="nobody@example.com")
    assert home.world.heard()[0].replace("nobody@", "alice@") == refused[0]
    assert asked_for_card(home, "bob@other.test") > CARD_BYTES
    home.clock.advance(1)
    later = sum(asked_for_card(home, EVE) > CARD_BYTES for _ in range(1000))
    assert later == pytest.approx(BYTES_A_SECOND / CARD_BYTES, abs=2)
