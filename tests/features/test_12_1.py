"""12-1: a subscription request goes out, comes in, and is kept while its recipient is away (RFC 6121 §3.1)."""

from __future__ import annotations

import pytest

from gateway.storage.records import StoreLimits
from tests.support.accounts import Home, xml

ALICE, BOB = "alice@example.com", "bob@example.net"
REQUEST = f"<presence from='{BOB}' to='{ALICE}' type='subscribe' id='q'><status>Hello</status></presence>"


def push(resource: str, version: str, item: str) -> str:
    return (
        f"<iq type='set' id='*' from='{ALICE}' to='{ALICE}/{resource}'>"
        f"<query xmlns='jabber:iq:roster' ver='{version}'>{item}</query></iq>"
    )


@pytest.mark.parametrize("to", [BOB, f"{BOB}/phone", "BOB@Example.net"])
def test_outbound_request_is_between_bare_addresses_and_noted_in_the_roster(to: str) -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online()
    phone.say(f"<presence to='{to}' type='subscribe' id='q'><status>Hello</status></presence>")
    assert home.world.heard() == xml(
        f"<presence from='{ALICE}' to='{BOB}' type='subscribe' id='q'><status>Hello</status></presence>"
    )
    item = f"<item jid='{BOB}' subscription='none' ask='subscribe'/>"
    assert phone.heard() == xml(push("phone", "epoch-1", item))


def test_inbound_request_is_shown_to_every_available_resource() -> None:
    home = Home("alice")
    phone, desk = home.client("alice", "phone").online(), home.client("alice", "desk").online("")
    phone.heard()
    home.arrive(REQUEST)
    assert phone.heard() == xml(REQUEST)
    assert desk.heard() == []
    assert home.world.heard() == []


def test_request_is_kept_for_who_is_away_and_given_to_each_resource_that_comes_until_it_is_answered() -> None:
    home = Home("alice")
    home.arrive(REQUEST, REQUEST.replace("Hello", "Hello again"))
    for name in ("phone", "desk"):
        client = home.client("alice", name)
        client.say("<presence/>")
        assert xml(REQUEST)[0] in client.heard()
        client.say("<presence><show>away</show></presence>")
        assert xml(REQUEST)[0] not in client.heard()
    client.say(f"<presence to='{BOB}' type='subscribed'/>")
    late = home.client("alice", "late")
    late.say("<presence/>")
    assert not [stanza for stanza in late.got if stanza.type == "subscribe"]


def test_request_that_was_seen_is_kept_too() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online()
    home.arrive(REQUEST)
    phone.leave()
    again = home.client("alice", "phone")
    again.say("<presence/>")
    assert xml(REQUEST)[0] in again.heard()


def test_resource_that_is_bound_and_says_nothing_gets_no_request() -> None:
    home = Home("alice")
    home.arrive(REQUEST)
    phone = home.client("alice", "phone")
    phone.say("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
    assert len(phone.heard()) == 1


def test_request_without_answer_is_sent_again_when_a_resource_comes() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone").online()
    phone.say(f"<presence to='{BOB}' type='subscribe'/>")
    home.world.heard()
    phone.leave()
    home.client("alice", "phone").online()
    assert home.world.heard() == xml(f"<presence from='{ALICE}' to='{BOB}' type='subscribe'/>")


def test_request_of_somebody_who_is_subscribed_is_answered_with_approval_and_presence() -> None:
    home = Home("alice")
    home.befriend("alice", BOB, "from")
    phone = home.client("alice", "phone").online()
    home.world.heard()
    home.arrive(REQUEST)
    assert phone.heard() == []
    assert home.world.heard() == xml(
        f"<presence from='{ALICE}' to='{BOB}' type='subscribed'/>", f"<presence from='{ALICE}/phone' to='{BOB}'/>"
    )


def test_request_to_an_unknown_account_is_dropped() -> None:
    home = Home("alice")
    home.arrive(REQUEST.replace("alice", "carol"))
    assert home.world.heard() == []


def test_request_to_oneself_is_refused() -> None:
    home = Home("alice")
    phone = home.client("alice", "phone")
    phone.say(f"<presence to='{ALICE}' type='subscribe' id='q'/>")
    (refusal,) = phone.got
    assert refusal.type == "error"
    assert b"not-allowed" in refusal.raw


def test_too_many_requests_are_bounced_and_nothing_is_lost() -> None:
    home = Home("alice", store_limits=StoreLimits(requests=2))
    for number in range(3):
        home.arrive(REQUEST.replace("bob@", f"bob{number}@"))
    (bounce,) = home.world.got
    assert (bounce.type, str(bounce.to)) == ("error", "bob2@example.net")
    assert b"resource-constraint" in bounce.raw
    phone = home.client("alice", "phone")
    phone.say("<presence/>")
    assert len([stanza for stanza in phone.got if stanza.type == "subscribe"]) == 2


def test_large_request_is_kept_without_its_content() -> None:
    home = Home("alice")
    home.arrive(REQUEST.replace("Hello", "x" * 100_000))
    phone = home.client("alice", "phone")
    phone.say("<presence/>")
    assert xml(f"<presence from='{BOB}' to='{ALICE}' type='subscribe'/>")[0] in phone.heard()


def test_two_accounts_of_one_domain() -> None:
    home = Home("alice", "dora")
    phone, desk = home.client("alice", "phone").online(), home.client("dora", "desk").online()
    phone.say("<presence to='dora@example.com' type='subscribe'/>")
    assert desk.heard() == xml("<presence from='alice@example.com' to='dora@example.com' type='subscribe'/>")
