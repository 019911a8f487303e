"""Clients who ask in a few bytes for much: others have their turn in between, and unread answers take no memory."""

from __future__ import annotations

import re

import pytest
from twisted.internet.defer import Deferred

from gateway.clients.answer_shares import ANSWERS_AT_ONCE, SECONDS_AT_ONCE
from gateway.im.account import Resource
from gateway.xmpp.stanzas import Stanza
from tests.support.accounts import HERE
from tests.support.doors import CLOSING, House, Line

DOCUMENT = 30_000  # bytes
MOST = ANSWERS_AT_ONCE + 2 * DOCUMENT  # of one share
MANY, FEW = 200, 20  # few answers may be unacknowledged
KEEP = (
    "<iq type='set' id='keep'><query xmlns='jabber:iq:private'>"
    f"<big xmlns='urn:example'>{'x' * DOCUMENT}</big></query></iq>"
)
ENABLE = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
COUNT = "<r xmlns='urn:xmpp:sm:3'/>"
ROSTER = "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>"


def asking(number: int) -> str:
    return f"<iq type='get' id='{number}'><query xmlns='jabber:iq:private'><big xmlns='urn:example'/></query></iq>"


QUESTIONS = "".join(map(asking, range(MANY)))


def message(text: str, to: str = "bob") -> str:
    return f"<message to='{to}@{HERE}' type='chat'><body>{text}</body></message>"


def greedy(house: House) -> Line:
    """A client with a large document."""
    alice = house.connect().online("alice").say(KEEP)
    alice.told("id='keep'")
    return alice


def pass_turn(house: House) -> None:
    """Let one turn of the event loop pass: what asks for another one meanwhile does not get it yet."""
    for call in house.clock.getDelayedCalls():
        if call.getTime() <= house.clock.seconds():
            action, arguments = call.func, call.args
            call.cancel()
            action(*arguments)


def pass_turns(house: House) -> None:
    for _ in range(MANY):
        pass_turn(house)


def answered(heard: str) -> list[str]:
    return [piece.split("'")[0] for piece in heard.split(" id='")[1:]]


def test_what_was_asked_in_one_read_is_answered_in_shares_and_in_order() -> None:
    house = House("alice", "bob")
    alice = greedy(house).say(QUESTIONS)
    shares = []
    while heard := alice.heard():
        shares.append(heard)
        pass_turn(house)
    assert max(map(len, shares)) < MOST
    assert answered("".join(shares)) == [str(number) for number in range(MANY)]
    assert alice.reading_waits == 1


def test_others_have_their_turn_between_two_shares() -> None:
    house = House("alice", "bob")
    alice, bob = greedy(house), house.connect().online("bob")
    alice.say(QUESTIONS)
    bob.say(ROSTER, message("art thou there?", to="alice"))
    assert bob.told("id='roster'")
    heard = alice.heard()
    assert "art thou there?" in heard
    assert len(heard) < MOST


def test_nothing_more_is_made_while_the_client_reads_nothing() -> None:
    house = House("alice", "bob")
    alice = greedy(house)
    alice.full = Deferred()
    alice.say(QUESTIONS)
    pass_turns(house)
    assert len(alice.heard()) < MOST
    room, alice.full = alice.full, None
    room.callback(None)
    pass_turn(house)
    assert 0 < len(alice.heard()) < MOST


def test_one_question_waits_for_the_store_at_a_time() -> None:
    """The queue of an account is for everybody who writes to it, and its answers are made in one turn."""
    house = House("alice", "bob", slow=True)
    alice = house.connect().login("alice")
    house.store.answer_all()
    alice.say(KEEP)
    house.store.answer_all()
    alice.heard()
    alice.say(QUESTIONS)
    sizes = []
    for _ in range(MANY):
        house.store.answer_all()
        sizes.append(len(alice.heard()))
        pass_turn(house)
    assert 0 < max(sizes) < MOST
    assert sum(sizes) > MANY * DOCUMENT


def test_one_question_to_another_account_waits_at_a_time_and_for_room() -> None:
    """The queue of another account answers whether the client that asked has room or not."""
    house = House("alice", "bob", slow=True)
    alice, bob = house.connect().login("alice"), house.connect().login("bob")
    house.store.answer_all()
    alice.say(f"<iq type='set' id='card'><vCard xmlns='vcard-temp'><NOTE>{'x' * DOCUMENT}</NOTE></vCard></iq>")
    house.store.answer_all()
    ask = "".join(f"<iq type='get' id='{n}' to='alice@{HERE}'><vCard xmlns='vcard-temp'/></iq>" for n in range(MANY))
    bob.say(ask)
    bob.full = Deferred()
    for _ in range(MANY):
        house.store.answer_all()
        pass_turn(house)
    assert 0 < len(bob.heard()) < MOST
    room, bob.full = bob.full, None
    room.callback(None)
    heard = ""
    for _ in range(3 * MANY):
        house.store.answer_all()
        pass_turn(house)
        heard += bob.heard()
    assert answered(heard)[-1] == str(MANY - 1)


def test_what_takes_long_without_an_answer_is_taken_in_shares_too(monkeypatch: pytest.MonkeyPatch) -> None:
    house = House("alice", "bob")
    alice, bob = house.connect().online("alice"), house.connect().online("bob")
    from_client = house.domain.from_client

    def slowly(resource: Resource, stanza: Stanza) -> None:
        house.clock.rightNow += SECONDS_AT_ONCE / 10
        from_client(resource, stanza)

    monkeypatch.setattr(house.domain, "from_client", slowly)
    alice.say("".join(message(str(number)) for number in range(MANY)))
    shares = []
    while heard := bob.heard():
        shares.append(re.findall("<body>(.*?)</body>", heard))
        pass_turn(house)
    assert max(map(len, shares)) <= 20
    assert [text for share in shares for text in share] == [str(number) for number in range(MANY)]


@pytest.mark.parametrize("share", ["first", "later"])
def test_everything_is_counted_before_it_is_acknowledged(share: str) -> None:
    house = House("alice", "bob")
    alice = greedy(house).say(ENABLE)
    alice.heard()
    questions = "".join(map(asking, range(FEW)))
    alice.say(questions + message("hi") + COUNT if share == "first" else questions, message("hi") + COUNT)
    heard = alice.heard()
    assert "<a " not in heard
    pass_turns(house)
    assert len(heard) < MOST
    assert f"<a xmlns='urn:xmpp:sm:3' h='{FEW + 1 + (share == 'first')}'/>" in alice.heard()


def test_answers_come_before_the_end_of_the_stream() -> None:
    house = House("alice", "bob")
    alice = greedy(house)
    alice.say(QUESTIONS)
    wait = alice.session.outstanding()
    assert wait is not None
    pass_turns(house)
    assert wait.called
    assert answered(alice.heard())[-1] == str(MANY - 1)
    alice.say(CLOSING)


@pytest.mark.parametrize("enables", [True, False])
def test_what_was_read_counts_although_the_connection_is_lost(enables: bool) -> None:
    house = House("alice", "bob")
    alice, bob = greedy(house), house.connect().online("bob")
    if enables:
        alice.say(ENABLE)
    alice.say(QUESTIONS + message("farewell"))
    made = alice.heard()
    alice.cut()
    pass_turns(house)
    assert bob.told("farewell")
    assert len(made) < MOST
