"""H-16: rosters, carbons and subscriptions are believed from one's own account or server only (CVE-2015-8688,
CVE-2017-5589)."""

from __future__ import annotations

import pytest

from gateway.im.account import Interest
from tests.support.accounts import Home, xml

ALICE = "alice@example.com"
STRANGERS = ["eve@example.net/x", "eve@example.net", "mallory@example.com/x", "example.net", "example.com.evil.example"]


@pytest.fixture
def home() -> Home:
    home = Home("alice", "mallory")
    for friend in ("eve@example.net", "mallory@example.com", "example.net", "example.com.evil.example"):
        home.befriend("alice", friend)  # even those who are seen
    return home


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("type_", ["get", "set"])
@pytest.mark.parametrize("to", [ALICE, f"{ALICE}/phone"])
def test_h_16_roster_is_neither_read_nor_written_by_others(home: Home, stranger: str, type_: str, to: str) -> None:
    phone = home.client("alice", "phone").online()
    item = "<item jid='eve@example.org' subscription='both'/>" if type_ == "set" else ""
    home.arrive(
        f"<iq from='{stranger}' to='{to}' type='{type_}' id='1'><query xmlns='jabber:iq:roster'>{item}</query></iq>"
    )
    heard = phone.heard()
    assert not any("eve@example.org" in stanza for stanza in heard)
    assert home.relation("alice", "eve@example.org").item is None
    for answer in home.world.heard():
        assert "subscription=" not in answer


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize("to", [ALICE, f"{ALICE}/phone"])
@pytest.mark.parametrize("kind", ["received", "sent"])
def test_h_16_forged_copy_reaches_no_client(home: Home, stranger: str, to: str, kind: str) -> None:
    phone = home.client("alice", "phone").online()
    home.world.heard()
    phone.say("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
    phone.heard()
    home.arrive(
        f"<message from='{stranger}' to='{to}' type='chat' id='1'><{kind} xmlns='urn:xmpp:carbons:2'>"
        "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='bank@example.org'>"
        f"<body>Pay</body></message></forwarded></{kind}></message>"
    )
    assert phone.heard() == []
    assert home.kept("alice") == []


def test_h_16_copies_are_said_by_the_account_itself(home: Home) -> None:
    phone, desk = home.client("alice", "phone").online(), home.client("alice", "desk").online()
    desk.say("<iq type='set' id='c'><enable xmlns='urn:xmpp:carbons:2'/></iq>")
    desk.heard()
    home.arrive(f"<message from='eve@example.net/x' to='{ALICE}/phone' type='chat'><body>Hi</body></message>")
    (copy,) = desk.got
    assert (str(copy.from_), str(copy.to)) == (ALICE, f"{ALICE}/desk")
    assert len(phone.got) == 2  # desk's presence, and the message


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize(
    "payload",
    [
        "<enable xmlns='urn:xmpp:carbons:2'/>",
        "<block xmlns='urn:xmpp:blocking'><item jid='bank@example.org'/></block>",
        "<unblock xmlns='urn:xmpp:blocking'/>",
        "<vCard xmlns='vcard-temp'><FN>Eve</FN></vCard>",
        "<query xmlns='jabber:iq:private'><x xmlns='urn:x'>Eve</x></query>",
    ],
)
@pytest.mark.parametrize("to", [ALICE, f"{ALICE}/gone"])
def test_h_16_what_is_for_the_owner_is_refused_to_others(home: Home, stranger: str, payload: str, to: str) -> None:
    phone = home.client("alice", "phone").online()
    home.arrive(f"<iq from='{stranger}' to='{to}' type='set' id='1'>{payload}</iq>")
    assert Interest.CARBONS not in phone.resource.interests
    assert not phone.resource.account.blocked
    documents: list[object] = []
    home.memory.document(ALICE, "vcard").addCallback(documents.append)
    home.memory.document(ALICE, "private urn:x x").addCallback(documents.append)
    assert documents == [None, None]
    assert [answer for answer in home.world.got if answer.type == "result"] == []


@pytest.mark.parametrize("stranger", STRANGERS)
def test_h_16_blocklist_push_of_others_reaches_no_client(home: Home, stranger: str) -> None:
    phone = home.client("alice", "phone").online()
    push = "<block xmlns='urn:xmpp:blocking'><item jid='bank@example.org'/></block>"
    home.arrive(f"<iq from='{stranger}' to='{ALICE}/phone' type='set' id='1'>{push}</iq>")
    assert phone.heard() == []


@pytest.mark.parametrize("type_", ["subscribed", "unsubscribed", "unsubscribe"])
def test_h_16_subscription_is_moved_by_the_contact_it_concerns_alone(type_: str) -> None:
    home = Home("alice", "mallory")
    home.befriend("alice", "bob@example.net")
    phone = home.client("alice", "phone").online()
    before = home.relation("alice", "bob@example.net")
    for stranger in ("eve@example.net", "bob@example.org", "mallory@example.com", "example.net", "bob@sub.example.net"):
        home.arrive(f"<presence from='{stranger}' to='{ALICE}' type='{type_}'/>")
    assert home.relation("alice", "bob@example.net") == before
    assert phone.heard() == []


def test_h_16_client_cannot_subscribe_in_the_name_of_somebody_else() -> None:
    home = Home("alice", "mallory")
    phone = home.client("mallory", "phone")
    phone.say("<presence from='alice@example.com' to='eve@example.net' type='subscribed'/>")
    assert phone.closed is not None
    assert home.world.heard() == []


def test_h_16_resource_of_the_contact_does_not_matter() -> None:
    home = Home("alice")
    home.befriend("alice", "bob@example.net")
    phone = home.client("alice", "phone").online()
    ended = f"<presence from='bob@example.net/x' to='{ALICE}/phone' type='unsubscribed'/>"
    home.arrive(ended)
    assert phone.heard()[0] == xml(ended)[0]
    assert home.relation("alice", "bob@example.net").item.subscription == "from"
