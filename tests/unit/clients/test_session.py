"""A client's connection from the door to the end: what it is let do, and what its end means to others."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred

from gateway.clients.login import PAUSE_SECONDS
from gateway.clients.session import HOME_LOOK_SECONDS, HOME_SECONDS
from gateway.notices.attempts.records import Attempt
from gateway.notices.attempts.verdicts import Verdict
from gateway.xmpp.addresses import Address
from gateway.xmpp.errors import StreamCondition, StreamError
from tests.support.doors import CLOSING, HEADER, House, Line, bind, plain


def condition(line: Line) -> str | None:
    """The stream error that ended it."""
    return None if line.error is None else str(line.error.condition)


def test_client_proves_an_account_binds_a_resource_and_is_there() -> None:
    house = House("alice", "bob")
    house.befriend("alice", "bob@example.com")
    house.befriend("bob", "alice@example.com")
    bob = house.connect().online("bob", "pda")
    alice = house.connect().login("alice", "phone")
    alice.say("<presence/>")
    assert bob.told("<presence [^>]*from='([^']+)'") == "alice@example.com/phone"


def test_stream_without_a_domain_is_refused() -> None:
    house = House("alice")
    nowhere = house.connect().say(HEADER.replace(" to='example.com'", ""))
    elsewhere = house.connect().say(HEADER.replace("example.com", "example.org"))
    assert (condition(nowhere), condition(elsewhere)) == ("improper-addressing", "host-unknown")


def test_from_of_the_header_must_be_the_account_once_it_is_proved() -> None:
    house = House("alice")
    honest = house.connect().secure()
    honest.say(plain("alice"), HEADER.replace(" to=", " from='alice@example.com' to="))
    liar = house.connect().secure()
    liar.say(plain("alice"), HEADER.replace(" to=", " from='bob@example.com' to="))
    assert (condition(honest), condition(liar)) == (None, "invalid-from")


@pytest.mark.parametrize(("local", "password"), [("alice", "the wrong one"), ("nobody", "the wrong one")])
def test_refusal_comes_after_a_pause_whether_there_is_such_an_account_or_not(local: str, password: str) -> None:
    house = House("alice")
    line = house.connect().secure()
    line.heard()
    line.say(plain(local, password))
    house.clock.advance(PAUSE_SECONDS / 2)
    assert line.heard() == ""
    house.clock.advance(PAUSE_SECONDS / 2)
    assert line.told("<failure.*</failure>") == (
        "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>"
    )


def test_what_is_said_during_the_pause_waits() -> None:
    house = House("alice")
    line = house.connect().secure()
    line.say(plain("alice", "the wrong one"), plain("alice"))
    assert "success" not in line.heard()
    house.clock.advance(PAUSE_SECONDS)
    assert line.told("<failure.*<success")


def test_answers_that_come_when_nobody_is_there_are_dropped() -> None:
    house = House("alice")
    line = house.connect().secure()
    line.say(plain("alice", "the wrong one"))
    line.cut()
    line.heard()
    house.clock.advance(PAUSE_SECONDS)
    assert line.heard() == ""


def test_resource_that_is_taken_is_answered_by_another() -> None:
    house = House("alice")
    house.connect().login("alice", "phone")
    other = house.connect().authenticate("alice").say(bind("phone"))
    assert other.told("<jid>alice@example.com/([^<]+)</jid>") != "phone"


def test_resource_that_is_none_leaves_another_try() -> None:
    house = House("alice")
    line = house.connect().authenticate("alice").say(bind("x" * 1024))
    assert line.told("<iq type='error' id='bind'.*<(bad-request)")
    line.say(bind("phone"))
    assert line.told("<jid>(.*)</jid>") == "alice@example.com/phone"


def test_second_bind_is_not_allowed() -> None:
    house = House("alice")
    line = house.connect().login("alice", "phone")
    line.say(bind("tablet"))
    assert line.told("type='error'.*<(not-allowed)")
    line.say("<presence/>")
    assert line.told("<presence [^>]*from='([^']+)'") == "alice@example.com/phone"


def test_legacy_session_is_answered() -> None:
    house = House("alice")
    line = house.connect().login("alice")
    line.say("<iq type='set' id='s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>")
    assert line.told("<iq [^>]*type='(result)'")


@pytest.mark.parametrize("ending", ["closing tag", "cut", "stream error"])
def test_everybody_sees_the_end_of_a_client(ending: str) -> None:
    house = House("alice", "bob")
    house.befriend("alice", "bob@example.com")
    house.befriend("bob", "alice@example.com")
    bob, alice = house.connect().online("bob"), house.connect().online("alice", "phone")
    bob.heard()
    match ending:
        case "closing tag":
            alice.say(CLOSING)
        case "cut":
            alice.cut()
        case "stream error":
            alice.say("<!-- no -->")
            alice.cut()
    assert bob.told("<presence [^>]*from='([^']+)' type='unavailable'") == "alice@example.com/phone"
    assert len(house.domain._accounts) == 1


def test_stanza_from_somebody_else_ends_the_stream_and_nothing_behind_it_is_taken() -> None:
    house = House("alice", "bob")
    alice, bob = house.connect().online("alice"), house.connect().online("bob")
    alice.say(
        "<message to='bob@example.com'><body>1</body></message>"
        "<message to='bob@example.com' from='bob@example.com'><body>2</body></message>"
        "<message to='bob@example.com'><body>3</body></message>"
    )
    assert condition(alice) == "invalid-from"
    heard = bob.heard()
    assert "<body>1</body>" in heard
    assert "<body>2" not in heard
    assert "<body>3" not in heard


def test_what_came_with_the_closing_tag_is_taken() -> None:
    house = House("alice", "bob")
    bob = house.connect().online("bob", "pda")
    alice = house.connect().online("alice")
    alice.say("<message to='bob@example.com/pda'><body>Good night</body></message>" + CLOSING)
    assert "Good night" in bob.heard()


def test_account_that_vanished_between_login_and_binding_is_closed() -> None:
    house = House("alice")
    line = house.connect().authenticate("alice")
    house.memory.delete_account("alice@example.com")
    line.say(bind())
    assert condition(line) == "not-authorized"
    line.cut()
    house.clock.advance(1)
    assert len(house.domain._accounts) == 0


def test_closed_account_closes_its_streams() -> None:
    house = House("alice")
    line = house.connect().online("alice")
    assert (
        house.domain.close_account(Address.parse("alice@example.com"), StreamError(StreamCondition.NOT_AUTHORIZED)) == 1
    )
    assert condition(line) == "not-authorized"


def test_reading_waits_while_somebody_else_has_no_room() -> None:
    house = House("alice", "bob")
    alice, bob = house.connect().online("alice"), house.connect().online("bob")
    bob.full = Deferred()
    alice.say("<message to='bob@example.com'><body>1</body></message>")
    assert alice.reading_waits == 1


def test_inactive_client_is_not_woken_for_presence() -> None:
    house = House("alice", "bob")
    house.befriend("alice", "bob@example.com")
    house.befriend("bob", "alice@example.com")
    bob, alice = house.connect().online("bob"), house.connect().online("alice", "phone")
    bob.heard()
    bob.say("<inactive xmlns='urn:xmpp:csi:0'/>")
    alice.say("<presence><show>away</show></presence>")
    alice.say("<presence><show>dnd</show></presence>")
    assert bob.heard() == ""
    bob.say("<active xmlns='urn:xmpp:csi:0'/>")
    heard = bob.heard()
    assert "dnd" in heard
    assert "away" not in heard


def test_attempt_tells_who_came_and_how() -> None:
    house = House("alice")
    line = house.connect().login("alice", "phone")
    line.cut()
    (attempt,) = [notice for notice in house.notices if isinstance(notice, Attempt)]
    assert attempt.verdict is Verdict.ESTABLISHED
    assert attempt.remote == "alice@example.com/phone"
    assert "of alice@example.com by PLAIN" in attempt.sentence


def test_attempt_tells_of_refused_logins() -> None:
    house = House("alice")
    line = house.connect().secure().say(plain("alice", "the wrong one"))
    house.clock.advance(PAUSE_SECONDS)
    line.say(CLOSING)
    (attempt,) = [notice for notice in house.notices if isinstance(notice, Attempt)]
    assert attempt.verdict is Verdict.LOGIN_REFUSED
    assert "alice@example.com" in attempt.reason
    assert "the wrong one" not in attempt.sentence


def test_attempt_tells_of_what_we_do_not_let_in() -> None:
    house = House("alice")
    line = house.connect().say(HEADER, "<presence/>")
    line.cut()
    (attempt,) = [notice for notice in house.notices if isinstance(notice, Attempt)]
    assert (attempt.verdict, attempt.reason) == (
        Verdict.REFUSED_BY_US,
        "stanzas are not allowed before negotiation is complete",
    )


def test_nothing_is_sent_behind_our_closing_tag_and_what_comes_then_is_kept() -> None:
    house = House("alice", "bob")
    alice, bob = house.connect().online("alice"), house.connect().online("bob")
    bob.close(StreamError(StreamCondition.POLICY_VIOLATION))
    assert bob.heard().endswith(CLOSING)
    alice.say("<message to='bob@example.com' type='chat'><body>too late</body></message>")
    assert bob.heard() == ""
    bob.cut()
    assert b"too late" in house.kept("bob")[0]


def test_client_whose_account_lives_at_another_node_is_sent_there_before_its_password_is_asked_for() -> None:
    house = House("alice")
    house.homes["alice@example.com"] = "b.example.com:5222"
    line = house.connect().secure()
    line.say(plain("alice", "the wrong one"))
    assert line.told("<see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>(.*)</see-other-host>") == (
        "b.example.com:5222"
    )
    assert condition(line) == "see-other-host"


def test_client_whose_account_moves_while_it_logs_in_is_sent_on() -> None:
    house = House("alice")
    line = house.connect().authenticate("alice")
    house.homes["alice@example.com"] = "[2001:db8::1]:5222"
    line.say(bind("phone"))
    assert line.told("<see-other-host [^>]*>(.*)</see-other-host>") == "[2001:db8::1]:5222"
    assert len(house.domain._accounts) == 0


def test_client_whose_account_lives_nowhere_at_the_moment_is_told_to_come_again() -> None:
    house = House("alice")
    house.homes["alice@example.com"] = None
    line = house.connect().secure()
    line.say(plain("alice"))
    house.clock.pump([HOME_LOOK_SECONDS] * int(HOME_SECONDS / HOME_LOOK_SECONDS + 1))
    house.clock.advance(PAUSE_SECONDS)
    assert line.told("<failure [^>]*><(temporary-auth-failure)")
    del house.homes["alice@example.com"]
    line.say(plain("alice"), HEADER)
    house.homes["alice@example.com"] = None
    line.say(bind("phone"))
    assert line.told("<iq type='error' id='bind'.*<(resource-constraint)")


def test_login_waits_for_an_account_that_moves_at_the_moment() -> None:
    house = House("alice")
    house.homes["alice@example.com"] = None
    line = house.connect().secure()
    line.say(plain("alice"))
    house.clock.pump([HOME_LOOK_SECONDS] * 4)
    assert "failure" not in line.heard()
    del house.homes["alice@example.com"]
    house.clock.advance(HOME_LOOK_SECONDS)
    assert line.told("<(success)")


def test_login_that_waits_for_a_home_ends_with_its_connection() -> None:
    house = House("alice")
    house.homes["alice@example.com"] = None
    line = house.connect().secure()
    line.say(plain("alice"))
    line.cut()
    house.clock.advance(HOME_LOOK_SECONDS)
    assert not house.clock.getDelayedCalls()
