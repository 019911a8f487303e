"""10.7-1: where a client's stanza goes: no 'to', our domain, one of our bare or full addresses, another domain
(RFC 6120 §10.3 to §10.5, RFC 6121 §8.1 to §8.5)."""

from __future__ import annotations

import pytest

from tests.support.accounts import Home, xml

ALICE, BOB = "alice@example.com", "bob@example.com"
STANZAS = [
    "<message {} id='1'><body>Hi</body></message>",
    "<presence {} id='1'/>",
    "<iq {} type='get' id='1'><query xmlns='urn:x'/></iq>",
]


def sent(text: str, to: str) -> str:
    return text.format(f"to='{to}'")


def received(text: str, to: str) -> str:
    return text.format(f"from='{ALICE}/phone' to='{to}'")


@pytest.fixture
def home() -> Home:
    return Home("alice", "bob")


@pytest.mark.parametrize("text", STANZAS)
@pytest.mark.parametrize("to", ["carol@example.net", "carol@example.net/x", "example.net", "sub.example.com"])
def test_other_domain_gets_it_with_the_full_address_of_the_sender(home: Home, text: str, to: str) -> None:
    home.client("alice", "phone").say(sent(text, to))
    assert home.world.heard() == xml(received(text, to))


@pytest.mark.parametrize("text", STANZAS)
@pytest.mark.parametrize("to", ["example.com", "EXAMPLE.com", "example.com/x"])
def test_our_domain_itself_gets_it(home: Home, text: str, to: str) -> None:
    home.client("alice", "phone").say(sent(text, to))
    assert len(home.itself.heard()) == 1
    assert home.world.heard() == []


@pytest.mark.parametrize("text", STANZAS)
def test_full_address_of_ours_gets_it(home: Home, text: str) -> None:
    home.befriend("bob", ALICE)
    desk = home.client("bob", "desk").online()
    home.client("alice", "phone").say(sent(text, f"{BOB}/desk"))
    assert desk.heard() == xml(received(text, f"{BOB}/desk"))


def test_bare_address_of_ours_gets_messages_and_presence_and_its_server_the_requests(home: Home) -> None:
    desk = home.client("bob", "desk").online()
    phone = home.client("alice", "phone")
    phone.say(*(sent(text, BOB) for text in STANZAS))
    assert desk.heard() == xml(*(received(text, BOB) for text in STANZAS[:2]))
    (refusal,) = phone.got
    assert (refusal.type, str(refusal.from_)) == ("error", BOB)
    assert b"service-unavailable" in refusal.raw


def test_message_without_recipient_is_for_the_account_itself(home: Home) -> None:
    phone, desk = home.client("alice", "phone").online(), home.client("alice", "desk").online()
    phone.heard()
    phone.say(STANZAS[0].format(""))
    assert phone.heard() == desk.heard() == xml(received(STANZAS[0], ALICE))


def test_presence_without_recipient_is_broadcast(home: Home) -> None:
    home.befriend("alice", "carol@example.net", "from")
    home.client("alice", "phone").say(STANZAS[1].format(""))
    assert home.world.heard() == xml(received(STANZAS[1], "carol@example.net"))


@pytest.mark.parametrize("to", ["", f"to='{ALICE}'"])
def test_request_without_recipient_is_answered_by_the_server_for_the_account(home: Home, to: str) -> None:
    phone = home.client("alice", "phone")
    phone.say(f"<iq {to} type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", STANZAS[2].format(to))
    result, refusal = phone.got
    assert (result.type, str(result.from_), str(result.to)) == ("result", ALICE, f"{ALICE}/phone")
    assert (refusal.type, str(refusal.from_), str(refusal.to)) == ("error", ALICE, f"{ALICE}/phone")
    assert b"service-unavailable" in refusal.raw


@pytest.mark.parametrize("type_", ["result", "error"])
def test_response_to_ones_own_server_ends_there(home: Home, type_: str) -> None:
    phone = home.client("alice", "phone")
    phone.say(f"<iq type='{type_}' id='1'/>", f"<iq to='{ALICE}' type='{type_}' id='1'/>")
    assert phone.heard() == home.world.heard() == []


@pytest.mark.parametrize("from_", [f"{ALICE}/phone", ALICE, "Alice@EXAMPLE.com/phone"])
@pytest.mark.parametrize("text", STANZAS)
def test_sender_that_is_right_is_made_the_full_address(home: Home, text: str, from_: str) -> None:
    home.client("alice", "phone").say(text.format(f"from='{from_}' to='carol@example.net'"))
    assert home.world.heard() == xml(received(text, "carol@example.net"))


@pytest.mark.parametrize(
    "from_", [f"{ALICE}/desk", BOB, "example.com", "alice@example.net", "alice@example.com/phone/", "@", ""]
)
@pytest.mark.parametrize("text", STANZAS)
def test_sender_that_is_wrong_ends_the_stream(home: Home, text: str, from_: str) -> None:
    phone = home.client("alice", "phone")
    phone.say(text.format(f"from='{from_}' to='carol@example.net'"))
    assert phone.closed is not None
    assert phone.closed.condition == "invalid-from"
    assert phone.heard() == home.world.heard() == []


@pytest.mark.parametrize("text", STANZAS)
def test_recipient_that_is_no_address_is_answered(home: Home, text: str) -> None:
    phone = home.client("alice", "phone")
    phone.say(sent(text, "@nowhere"))
    (refusal,) = phone.got
    assert (refusal.type, refusal.id, str(refusal.to)) == ("error", "1", f"{ALICE}/phone")
    assert b"jid-malformed" in refusal.raw


@pytest.mark.parametrize("to", ["nobody@example.com", "nobody@example.com/x"])
def test_account_of_ours_that_does_not_exist(home: Home, to: str) -> None:
    phone = home.client("alice", "phone")
    phone.say(*(sent(text, to) for text in STANZAS))
    assert [(stanza.name, stanza.type, str(stanza.from_)) for stanza in phone.got] == [
        ("message", "error", to),
        ("iq", "error", to),
    ]
    assert all(b"service-unavailable" in stanza.raw for stanza in phone.got)


def test_request_to_a_resource_from_outside_without_a_subscription_is_answered_as_if_nobody_were_there(
    home: Home,
) -> None:
    phone = home.client("alice", "phone").online()
    home.arrive(f"<iq from='carol@example.net/x' to='{ALICE}/phone' type='get' id='1'><query xmlns='urn:x'/></iq>")
    assert phone.heard() == []


def test_request_to_a_resource_from_another_account_here_is_delivered(home: Home) -> None:
    phone = home.client("alice", "phone").online()
    request = f"<iq from='bob@example.com/desk' to='{ALICE}/phone' type='get' id='1'><query xmlns='urn:x'/></iq>"
    home.arrive(request)
    assert phone.heard() == xml(request)


@pytest.mark.parametrize("subscription", ["from", "both"])
def test_request_to_a_resource_of_one_who_is_seen_is_delivered(home: Home, subscription: str) -> None:
    home.befriend("alice", "carol@example.net", subscription)
    phone = home.client("alice", "phone").online()
    request = f"<iq from='carol@example.net/x' to='{ALICE}/phone' type='get' id='1'><query xmlns='urn:x'/></iq>"
    home.arrive(request)
    assert phone.heard() == xml(request)


def test_request_from_a_room_that_the_resource_has_joined_is_delivered(home: Home) -> None:
    phone = home.client("alice", "phone")
    phone.say("<presence to='room@chat.example.net/alice'/>")
    request = f"<iq from='room@chat.example.net/bob' to='{ALICE}/phone' type='get' id='1'><query xmlns='urn:x'/></iq>"
    home.arrive(request)
    assert phone.heard() == xml(request)


def test_request_from_the_own_domain_itself_is_delivered(home: Home) -> None:
    phone = home.client("alice", "phone")
    request = f"<iq from='example.com' to='{ALICE}/phone' type='get' id='1'><query xmlns='urn:x'/></iq>"
    home.arrive(request)
    assert phone.heard() == xml(request)


@pytest.mark.parametrize("type_", ["result", "error"])
def test_response_to_a_resource_is_delivered_whoever_sends_it(home: Home, type_: str) -> None:
    phone = home.client("alice", "phone")
    payload = "<error type='cancel'/>" if type_ == "error" else ""
    response = f"<iq from='carol@example.net/x' to='{ALICE}/phone' type='{type_}' id='1'>{payload}</iq>"
    home.arrive(response)
    assert phone.heard() == xml(response)
