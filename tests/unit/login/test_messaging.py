"""What a login asks, hears and answers, and whose word it takes."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred

from gateway.login.messaging import ANSWER_SECONDS, Contact, NoReply, RequestRefused
from gateway.xmpp.elements import Element
from gateway.xmpp.namespaces import PING
from tests.support.stays import OWN, ROMEO, Stay


def outcome(answer: Any) -> list[Any]:
    got: list[Any] = []
    answer.addBoth(lambda result: got.append(getattr(result, "value", result)))
    return got


def test_answer_is_taken_from_whom_was_asked() -> None:
    stay = Stay()
    got = outcome(stay.messaging.ask("get", Element(PING, "ping"), ROMEO))
    assert stay.said == ["<iq type='get' id='id-1' to='romeo@away.test'><ping xmlns='urn:xmpp:ping'/></iq>"]
    for other in ("mercutio@away.test", "romeo@away.test/phone", "juliet@home.test", "home.test"):
        stay.hears(f"<iq type='result' id='id-1' from='{other}'/>")
    stay.hears("<iq type='result' id='id-2' from='romeo@away.test'/>")
    stay.hears("<message id='id-1' from='romeo@away.test'/>")
    assert got == []
    stay.hears("<iq type='result' id='id-1' from='romeo@away.test'/>")
    assert [each.name for each in got] == ["iq"]


@pytest.mark.parametrize("sender", ["", " from='home.test'", " from='juliet@home.test'", f" from='{OWN}'"])
def test_server_answers_in_the_name_of_the_account_or_its_own(sender: str) -> None:
    stay = Stay()
    got = outcome(stay.messaging.ask("get", Element(PING, "ping")))
    stay.hears(f"<iq type='result' id='id-1'{sender}/>")
    assert len(got) == 1


def test_refusal_is_told_with_its_condition() -> None:
    stay = Stay()
    got = outcome(stay.messaging.ask("get", Element(PING, "ping")))
    stay.hears(
        "<iq type='error' id='id-1'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
        "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>gone</text></error></iq>"
    )
    (refused,) = got
    assert isinstance(refused, RequestRefused)
    assert (refused.condition, refused.text) == ("item-not-found", "gone")


def test_nobody_waits_forever() -> None:
    stay = Stay()
    late, lost = (outcome(stay.messaging.ask("get", Element(PING, "ping"), ROMEO, seconds)) for seconds in (1, 99))
    stay.clock.advance(1)
    assert isinstance(late[0], NoReply)
    stay.messaging.end("the connection was lost")
    assert isinstance(lost[0], NoReply)
    assert str(lost[0]) == "the connection was lost"
    assert not stay.clock.getDelayedCalls()
    assert ANSWER_SECONDS > 1


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (
            "<iq type='get' id='1' from='romeo@away.test/x'><ping xmlns='urn:xmpp:ping'/></iq>",
            "<iq type='result' to='romeo@away.test/x' id='1'/>",
        ),
        (
            "<iq type='get' id='1' from='romeo@away.test/x'><x xmlns='urn:nonsense'/></iq>",
            "<iq type='error' to='romeo@away.test/x' id='1'><error type='cancel'>"
            "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        ),
        (
            "<iq type='get' id='1'><x xmlns='urn:nonsense'/></iq>",
            "<iq type='error' to='juliet@home.test' id='1'><error type='cancel'>"
            "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        ),
    ],
)
def test_every_request_is_answered(request_: str, answer: str) -> None:
    assert Stay().hears(request_) == [answer]


def test_requests_against_the_rules_are_bad_ones() -> None:
    (answer,) = Stay().hears("<iq type='set' id='1' from='romeo@away.test/x'/>")
    assert "<bad-request" in answer
    assert Stay().hears("<iq type='error' id='1' from='romeo@away.test/x'/>") == []


def push(sender: str, item: str = "<item jid='romeo@away.test' subscription='both'/>") -> str:
    return f"<iq type='set' id='p'{sender}><query xmlns='jabber:iq:roster' ver='v2'>{item}</query></iq>"


@pytest.mark.parametrize("sender", ["", " from='juliet@home.test'"])
def test_roster_is_changed_by_our_own_account(sender: str) -> None:
    stay = Stay()
    assert "type='result'" in stay.hears(push(sender))[0]
    assert stay.messaging.roster["romeo@away.test"].subscription == "both"
    assert stay.messaging.roster_version == "v2"
    stay.hears(push(sender, "<item jid='romeo@away.test' subscription='remove'/>"))
    assert stay.messaging.roster == {}


@pytest.mark.parametrize("sender", ["home.test", "romeo@away.test", "juliet@home.test/elsewhere", "juliet@away.test"])
def test_h_16_roster_is_changed_by_nobody_else(sender: str) -> None:
    stay = Stay()
    assert "<service-unavailable" in stay.hears(push(f" from='{sender}'"))[0]
    assert stay.messaging.roster == {}


def test_roster_is_what_the_server_says_and_stays_when_it_has_not_changed() -> None:
    stay = Stay()
    Deferred.fromCoroutine(stay.messaging.get_roster())
    stay.hears(
        "<iq type='result' id='id-1'><query xmlns='jabber:iq:roster' ver='v1'>"
        "<item jid='romeo@away.test' name='R' ask='subscribe'><group>Montagues</group></item></query></iq>"
    )
    contact = Contact(
        address="romeo@away.test", name="R", subscription="none", asked=True, groups=frozenset({"Montagues"})
    )
    assert stay.messaging.roster == {"romeo@away.test": contact}
    Deferred.fromCoroutine(stay.messaging.get_roster())
    assert "ver='v1'" in stay.said[-1]
    stay.hears("<iq type='result' id='id-2'/>")
    assert stay.messaging.roster == {"romeo@away.test": contact}


def test_presence_is_remembered_until_it_ends() -> None:
    stay = Stay()
    stay.hears("<presence from='romeo@away.test/phone'><show>away</show></presence>")
    stay.hears("<presence from='romeo@away.test/desk'/>")
    stay.hears("<presence from='romeo@away.test' type='subscribe'/>")
    assert set(stay.messaging.presences) == {"romeo@away.test/phone", "romeo@away.test/desk"}
    stay.hears("<presence from='romeo@away.test/phone' type='unavailable'/>")
    assert set(stay.messaging.presences) == {"romeo@away.test/desk"}
    assert [each.name for each in stay.heard] == ["presence"] * 4


def test_what_a_guest_says() -> None:
    stay = Stay()
    stay.messaging.say(ROMEO, "Good & <sweet>")
    stay.messaging.show()
    stay.messaging.show(ROMEO, "subscribe")
    assert stay.said == [
        "<message to='romeo@away.test' type='chat' id='id-1'><body>Good &amp; &lt;sweet&gt;</body></message>",
        "<presence/>",
        "<presence to='romeo@away.test' type='subscribe'/>",
    ]
