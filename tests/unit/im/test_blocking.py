"""Blocking (XEP-0191): the list, and what it stops."""

from __future__ import annotations

import pytest

from gateway.im.blocklist import BlockList
from gateway.im.limits import AccountLimits
from gateway.storage.records import StoreLimits
from gateway.xmpp.addresses import Address
from tests.support.accounts import Client, Home, xml

ALICE, BOB = "alice@example.com", "bob@example.net"


def request(type_: str, name: str, *addresses: str) -> str:
    items = "".join(f"<item jid='{address}'/>" for address in addresses)
    return f"<iq type='{type_}' id='b'><{name} xmlns='urn:xmpp:blocking'>{items}</{name}></iq>"


def result(payload: str = "", name: str = "phone") -> str:
    return f"<iq type='result' id='b' from='{ALICE}' to='{ALICE}/{name}'>{payload}</iq>"


def push(name: str, change: str) -> str:
    return f"<iq type='set' id='*' from='{ALICE}' to='{ALICE}/{name}'>{change}</iq>"


def listing(name: str, *addresses: str) -> str:
    items = "".join(f"<item jid='{address}'/>" for address in addresses)
    return f"<{name} xmlns='urn:xmpp:blocking'>{items}</{name}>"


def blocking(home: Home, *addresses: str) -> Client:
    phone = home.client("alice", "phone").online()
    phone.say(request("set", "block", *addresses))
    phone.heard()
    home.world.heard()
    return phone


@pytest.mark.parametrize(
    ("listed", "matched", "passed"),
    [
        ("bob@example.net/x", ["bob@example.net/x"], ["bob@example.net", "bob@example.net/y"]),
        ("bob@example.net", ["bob@example.net", "bob@example.net/x"], ["example.net", "carol@example.net/bob"]),
        ("example.net/x", ["example.net/x", "bob@example.net/x"], ["example.net", "bob@example.net"]),
        ("example.net", ["example.net", "bob@example.net", "bob@example.net/x", "example.net/x"], ["a.example.net"]),
    ],
)
def test_whom_an_address_on_the_list_stands_for(listed: str, matched: list[str], passed: list[str]) -> None:
    blocklist = BlockList([listed])
    assert [address for address in matched + passed if blocklist.matches(Address.parse(address))] == matched


def test_list_is_read_and_written_and_changes_are_pushed_to_those_who_have_read_it() -> None:
    home = Home("alice")
    phone, desk = home.client("alice", "phone"), home.client("alice", "desk")
    phone.say(request("get", "blocklist"))
    assert phone.heard() == xml(result(listing("blocklist")))
    desk.say(request("set", "block", "BOB@Example.net", "spam.example"))
    assert desk.heard() == xml(result(name="desk"))
    assert phone.heard() == xml(push("phone", listing("block", BOB, "spam.example")))
    desk.say(request("set", "unblock", BOB))
    assert phone.heard() == xml(push("phone", listing("unblock", BOB)))
    phone.say(request("get", "blocklist"))
    assert phone.heard() == xml(result(listing("blocklist", "spam.example")))
    desk.say(request("set", "unblock"))
    assert phone.heard() == xml(push("phone", listing("unblock")))
    phone.say(request("get", "blocklist"))
    assert phone.heard() == xml(result(listing("blocklist")))


def test_list_outlives_the_session() -> None:
    home = Home("alice")
    blocking(home, BOB).leave()
    home.arrive(f"<message from='{BOB}/x' to='{ALICE}' type='chat'><body>Hi</body></message>")
    assert home.kept("alice") == []
    phone = home.client("alice", "phone")
    phone.say(request("get", "blocklist"))
    assert phone.heard() == xml(result(listing("blocklist", BOB)))


@pytest.mark.parametrize("online", [True, False])
def test_stanzas_of_the_blocked_end_as_if_nobody_were_there(online: bool) -> None:
    home = Home("alice")
    home.befriend("alice", BOB)
    phone = blocking(home, BOB)
    if not online:
        phone.leave()
    home.arrive(
        *(f"<presence from='{BOB}' to='{ALICE}' {type_}/>" for type_ in ("", "type='unavailable'", "type='probe'")),
        f"<presence from='{BOB}' to='{ALICE}' type='unsubscribe'/>",
        f"<message from='{BOB}/x' to='{ALICE}/phone' type='error'/>",
        f"<iq from='{BOB}/x' to='{ALICE}/phone' type='result' id='1'/>",
    )
    assert phone.heard() == home.world.heard() == []
    assert home.relation("alice", BOB).item.subscription == "both"
    for text in (
        f"<message from='{BOB}/x' to='{ALICE}/phone' type='chat' id='2'/>",
        f"<iq from='{BOB}/x' to='{ALICE}/phone' type='get' id='3'><query xmlns='urn:x'/></iq>",
        f"<iq from='{BOB}/x' to='{ALICE}' type='get' id='4'><vCard xmlns='vcard-temp'/></iq>",
    ):
        home.arrive(text)
        (bounce,) = home.world.got
        assert bounce.type == "error"
        assert b"service-unavailable" in bounce.raw
        home.world.heard()
    assert phone.heard() == []


@pytest.mark.parametrize(
    "text",
    [
        f"<message to='{BOB}/x' type='chat' id='1'><body>Hi</body></message>",
        f"<iq to='{BOB}/x' type='get' id='1'><query xmlns='urn:x'/></iq>",
        f"<presence to='{BOB}/x' id='1'/>",
        f"<presence to='{BOB}' type='subscribe' id='1'/>",
    ],
)
def test_client_that_writes_to_the_blocked_is_told_so(text: str) -> None:
    home = Home("alice")
    phone = blocking(home, "example.net")
    phone.say(text)
    (refusal,) = phone.got
    error = refusal.element.first(name="error")
    assert error is not None
    assert (refusal.type, refusal.id, error.get("type")) == ("error", "1", "cancel")
    assert {(child.namespace, child.name) for child in error.elements()} >= {
        ("urn:ietf:params:xml:ns:xmpp-stanzas", "not-acceptable"),
        ("urn:xmpp:blocking:errors", "blocked"),
    }
    assert home.world.heard() == []


def test_blocked_sees_the_account_go_and_come_back() -> None:
    home = Home("alice")
    home.befriend("alice", BOB, "from")
    home.befriend("alice", "carol@example.net", "from")
    home.befriend("alice", "to@example.net", "to")
    phone = home.client("alice", "phone").online("<presence><show>away</show></presence>")
    phone.say("<presence to='room@chat.example.net/alice'/>", "<presence to='stranger@example.net'/>")
    home.world.heard()
    phone.say(request("set", "block", BOB, "to@example.net", "chat.example.net"))
    assert home.world.heard() == xml(
        f"<presence from='{ALICE}/phone' to='{BOB}' type='unavailable'/>",
        f"<presence from='{ALICE}/phone' to='room@chat.example.net/alice' type='unavailable'/>",
    )
    phone.say("<presence><show>dnd</show></presence>")
    assert home.world.heard() == xml(
        f"<presence from='{ALICE}/phone' to='carol@example.net'><show>dnd</show></presence>"
    )
    phone.say(request("set", "unblock", BOB))
    assert home.world.heard() == xml(f"<presence from='{ALICE}/phone' to='{BOB}'><show>dnd</show></presence>")


def test_own_resources_and_the_own_server_are_never_stopped() -> None:
    home = Home("alice")
    phone, desk = blocking(home, ALICE, "example.com"), home.client("alice", "desk").online()
    phone.heard()
    phone.say(f"<message to='{ALICE}/desk' type='chat'><body>Hi</body></message>", request("get", "blocklist"))
    assert len(desk.heard()) == 1
    assert phone.heard() == xml(result(listing("blocklist", ALICE, "example.com")))


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        (request("set", "block"), b"bad-request"),
        (request("set", "block", "@example.net"), b"jid-malformed"),
        (request("set", "unblock", ""), b"jid-malformed"),
        (request("set", "block").replace("></block", "><item/></block"), b"jid-malformed"),
        (request("set", "block", *(f"{number}.example" for number in range(6))), b"not-acceptable"),
        (request("set", "block", *(f"{number}.example" for number in range(4))), b"resource-constraint"),
    ],
)
def test_mistake_is_answered_and_blocks_nobody(text: str, condition: bytes) -> None:
    home = Home("alice", limits=AccountLimits(blocked_at_once=5), store_limits=StoreLimits(blocked=3))
    phone = home.client("alice", "phone")
    phone.say(text)
    (refusal,) = phone.got
    assert refusal.type == "error"
    assert condition in refusal.raw
    assert not phone.resource.account.blocked
