"""Stream management of clients: acknowledgements both ways, streams that break and are resumed (XEP-0198)."""

from __future__ import annotations

import re

import pytest

from gateway.clients import client as module
from gateway.clients.answer_shares import MOST_UNTAKEN
from gateway.clients.resumable_clients import PARKED_SECONDS
from tests.support.doors import CLOSING, House, Line

SM = "xmlns='urn:xmpp:sm:3'"
ENABLE = f"<enable {SM} resume='true'/>"
ASK = f"<r {SM}/>"
ROSTER = "<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"


def acknowledge(h: int) -> str:
    return f"<a {SM} h='{h}'/>"


def resume(id_: str, h: int) -> str:
    return f"<resume {SM} previd='{id_}' h='{h}'/>"


def message(number: int, to: str = "alice@example.com/phone") -> str:
    return f"<message to='{to}' type='chat'><body>{number}</body></message>"


def managed(house: House, local: str = "alice", resource: str = "phone") -> tuple[Line, str]:
    """A client whose stream can be resumed, and the id to do so."""
    line = house.connect().login(local, resource).say(ENABLE)
    id_ = line.told("<enabled xmlns='urn:xmpp:sm:3' id='([^']+)' resume='true' max='300'/>")
    line.say("<presence/>", acknowledge(1))
    line.heard()
    return line, id_


def bodies(heard: str) -> list[str]:
    return re.findall("<body>([^<]*)</body>", heard)


def test_management_is_offered_with_binding_and_enabled_after_it() -> None:
    house = House("alice")
    line = house.connect().authenticate("alice")
    assert "<sm xmlns='urn:xmpp:sm:3'/>" in line.heard()
    line.say(ENABLE)
    assert line.told("<failed.*<(unexpected-request)")
    line = house.connect().login("alice").say(f"<enable {SM}/>")
    assert line.heard() == "<enabled xmlns='urn:xmpp:sm:3'/>"


def test_stanzas_of_the_client_are_counted_from_enabling_on() -> None:
    house = House("alice")
    line = house.connect().online("alice").say(ENABLE)
    line.heard()
    line.say("<presence/><presence/>", ASK)
    assert line.told("<a xmlns='urn:xmpp:sm:3' h='(.)'/>") == "2"


def test_nothing_is_acknowledged_before_it_is_stored() -> None:
    house = House("alice", "bob", slow=True)
    line = house.connect().login("alice").say(ENABLE)
    house.store.answer_all()
    line.heard()
    line.say(message(1, "bob@example.com"), ASK, ASK)
    assert "<a " not in line.heard()
    house.store.answer_all()
    assert len(house.kept("bob")) == 1
    assert line.heard().count("<a xmlns='urn:xmpp:sm:3' h='1'/>") >= 1


def test_acknowledgement_is_asked_for_once_at_a_time() -> None:
    house = House("alice", "bob")
    alice, _ = managed(house)
    bob = house.connect().online("bob")
    bob.say(message(1), message(2))
    heard = alice.heard()
    assert bodies(heard) == ["1", "2"]
    assert heard.count("<r ") == 1
    alice.say(acknowledge(2))
    assert alice.heard() == "<r xmlns='urn:xmpp:sm:3'/>"  # the second message came after the question
    alice.say(acknowledge(3))
    assert alice.heard() == ""


def test_client_that_acknowledges_what_was_never_sent_is_closed() -> None:
    house = House("alice")
    alice, _ = managed(house)
    alice.say(acknowledge(9))
    assert alice.told("<(undefined-condition)")


def test_broken_stream_is_resumed_and_nothing_is_lost_or_doubled() -> None:
    house = House("alice", "bob")
    house.befriend("alice", "bob@example.com")
    house.befriend("bob", "alice@example.com")
    bob = house.connect().online("bob")
    alice, id_ = managed(house)
    bob.heard()
    bob.say(message(1), message(2))
    assert bodies(alice.heard()) == ["1", "2"]
    alice.say("<message to='bob@example.com'><body>from alice</body></message>")
    alice.cut()
    bob.say(message(3))
    assert "unavailable" not in bob.heard()

    # Presence twice, and the first of the three messages, have been taken.
    again = house.connect().authenticate("alice")
    again.heard()
    before = 2
    again.say(resume(id_, before + 1))
    heard = again.heard()
    assert f"<resumed xmlns='urn:xmpp:sm:3' h='2' previd='{id_}'/>" in heard
    assert bodies(heard) == ["2", "3"]
    again.say("<message to='bob@example.com'><body>back</body></message>")
    assert bodies(bob.heard()) == ["back"]
    again.say(acknowledge(before + 3))
    assert again.error is None


def test_stream_is_resumed_while_the_old_connection_still_seems_alive() -> None:
    house = House("alice", "bob")
    alice, id_ = managed(house)
    again = house.connect().authenticate("alice").say(resume(id_, 1))
    assert "<resumed" in again.heard()
    assert alice.told("<(conflict)")
    alice.cut()
    bob = house.connect().online("bob")
    bob.say(message(1))
    assert bodies(again.heard()) == ["1"]


def test_another_account_cannot_resume() -> None:
    house = House("alice", "bob")
    alice, id_ = managed(house)
    alice.cut()
    bob = house.connect().authenticate("bob").say(resume(id_, 1))
    assert bob.told("<failed.*<(item-not-found)")
    assert "<resumed" in house.connect().authenticate("alice").say(resume(id_, 1)).heard()


def test_refused_resumption_leaves_binding() -> None:
    house = House("alice")
    line = house.connect().authenticate("alice").say(resume("unknown", 0))
    assert line.told("<failed.*<(item-not-found)")
    line.say("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
    assert line.told("<jid>(alice@example.com)/")


def test_resumption_with_a_number_that_cannot_be_is_an_error() -> None:
    house = House("alice")
    alice, id_ = managed(house)
    alice.cut()
    again = house.connect().authenticate("alice").say(resume(id_, 77))
    assert again.told("<(undefined-condition)")


def test_client_that_does_not_come_back_is_gone_and_its_messages_are_kept() -> None:
    house = House("alice", "bob")
    house.befriend("alice", "bob@example.com")
    house.befriend("bob", "alice@example.com")
    bob = house.connect().online("bob")
    alice, id_ = managed(house)
    bob.say(message(1))
    alice.cut()
    bob.heard()
    house.clock.advance(PARKED_SECONDS - 1)
    assert "unavailable" not in bob.heard()
    house.clock.advance(1)
    assert "type='unavailable'" in bob.heard()
    assert len(house.kept("alice")) == 1
    again = house.connect().authenticate("alice").say(resume(id_, 1))
    assert again.told("<failed.*<(item-not-found)")


@pytest.mark.parametrize("ending", ["closing tag", "stream error"])
def test_stream_that_was_closed_is_not_resumed(ending: str) -> None:
    house = House("alice")
    alice, id_ = managed(house)
    alice.say(CLOSING if ending == "closing tag" else "<!-- no -->")
    alice.cut()
    again = house.connect().authenticate("alice").say(resume(id_, 1))
    assert again.told("<failed.*<(item-not-found)")


def test_who_binds_the_same_resource_again_gets_it_from_the_parked_one() -> None:
    house = House("alice")
    alice, _ = managed(house)
    alice.cut()
    again = house.connect().authenticate("alice")
    again.heard()
    again.say(
        "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>phone</resource></bind></iq>"
    )
    assert again.told("<jid>(.*)</jid>") == "alice@example.com/phone"


def test_parked_client_that_gets_too_much_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PARKED_BYTES", 200)
    house = House("alice", "bob")
    bob = house.connect().online("bob")
    alice, _ = managed(house)
    alice.cut()
    for number in range(3):
        bob.say(message(number))
    house.clock.advance(0)
    assert len(house.kept("alice")) == 3


def test_longest_parked_client_ends_when_there_are_too_many() -> None:
    house = House("alice", most_parked=1)
    first, first_id = managed(house, resource="first")
    second, second_id = managed(house, resource="second")
    first.cut()
    second.cut()
    assert "<failed" in house.connect().authenticate("alice").say(resume(first_id, 1)).heard()
    assert "<resumed" in house.connect().authenticate("alice").say(resume(second_id, 1)).heard()


def test_client_that_acknowledges_nothing_is_waited_for_and_then_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.Acknowledgements, "is_full", property(lambda self: len(self) > 1))
    house = House("alice", "bob")
    bob = house.connect().online("bob")
    alice, _ = managed(house)
    bob.say(message(1), message(2))
    assert bob.reading_waits == 1
    alice.heard()
    house.clock.advance(module.ACKNOWLEDGE_SECONDS)
    assert alice.told("<(connection-timeout)")
    alice.cut()
    assert len(house.kept("alice")) == 2


@pytest.mark.parametrize("what", [ROSTER, f"{ROSTER}{ROSTER}", message(9)], ids=["question", "two", "to itself"])
def test_client_is_read_from_while_its_acknowledgement_is_missing(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """Otherwise the acknowledgement is not read either, and the client is ended although it has sent it."""
    monkeypatch.setattr(module.Acknowledgements, "is_full", property(lambda self: len(self) > 1))
    monkeypatch.setattr(module, "ANSWERS_AT_ONCE", 1)
    house = House("alice", "bob")
    alice, _ = managed(house)
    alice.say(what)  # so much is not unacknowledged yet
    house.connect().online("bob").say(message(1), message(2))
    house.clock.advance(0)
    heard = alice.heard()
    waited = alice.reading_waits
    alice.say(what, what)
    house.clock.advance(0)
    assert alice.heard() == ""
    assert alice.reading_waits == waited
    alice.say(acknowledge(1 + sum(map(heard.count, ("<message", "<iq")))))
    for _ in range(4):
        house.clock.advance(0)
    assert alice.heard().count("<r ") == 1


def test_client_that_sends_much_without_acknowledging_is_not_read_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.Acknowledgements, "is_full", property(lambda self: len(self) > 1))
    house = House("alice", "bob")
    alice, _ = managed(house)
    house.connect().online("bob").say(message(1), message(2))
    for _ in range(2 * MOST_UNTAKEN // len(ROSTER)):
        alice.say(ROSTER)
    assert alice.reading_waits > 0
    assert "<iq" not in alice.heard()


def test_inactive_client_is_active_again_when_it_resumes() -> None:
    house = House("alice", "bob")
    house.befriend("alice", "bob@example.com")
    house.befriend("bob", "alice@example.com")
    alice, id_ = managed(house)
    alice.say("<inactive xmlns='urn:xmpp:csi:0'/>")
    house.connect().online("bob", "pda")
    assert "bob@example.com/pda" not in alice.heard()
    alice.cut()
    again = house.connect().authenticate("alice").say(resume(id_, 1))
    assert "bob@example.com/pda" in again.heard()
